// The users.

import { attempt, call, make, why } from "./app.js";
import { ask, card, field, makeForm, note } from "./forms.js";

let list, nobody;

const inputs = (user = {}) => [
  field("Name", { name: "name", value: user.name || "" }),
  field("E-mail", { name: "email", type: "email", value: user.email || "" }),
];

export function build(section) {
  const add = makeForm(inputs(), "Add", async (values, form) => {
    await call("POST", "users", values);
    form.reset();
    await enter();
    form.querySelector("input").focus();
  });
  add.id = "add";
  list = make("ul", { id: "list" });
  nobody = make("p", { className: "quiet", hidden: true }, "Nobody yet.");
  const fresh = card("New user", add);
  fresh.classList.add("own");
  section.append(note("An example of what an application may keep. The board makes no use of these, and they cannot log in."),
    why(), fresh, card("All users", nobody, list));
}

export async function enter() {
  const { users } = await call("GET", "users");
  // What somebody is typing stays.
  const shown = (id) => [...list.children].find((one) => one.value === id && one.querySelector("form"));
  const focused = document.activeElement;
  list.replaceChildren(...users.map((user) => shown(user.id) || item(user)));
  if (list.contains(focused)) focused.focus();
  nobody.hidden = users.length > 0;
}

function item(user) {
  const element = make("li", { value: user.id });
  const edit = make("button", { className: "plain own", "aria-label": `Edit ${user.name}` }, "Edit");
  const remove = make("button", { className: "plain bad own", "aria-label": `Delete ${user.name}` }, "Delete");
  const text = make("div", { className: "wide" }, user.name, make("div", { className: "quiet" }, user.email));
  edit.onclick = () => change(element, user);
  remove.onclick = async () => {
    if (!await ask(`Delete ${user.name}?`)) return;
    await attempt(async () => {
      try {
        await call("DELETE", `users/${user.id}`);
      } catch (error) {
        if (error.status !== 404) throw error;
      }
      await enter();
      document.getElementById("h-users").focus();
    });
  };
  element.append(text, edit, remove);
  return element;
}

function change(element, user) {
  const back = (changed) => {
    const next = item(changed);
    element.replaceWith(next);
    next.querySelector("button").focus();
  };
  const cancel = make("button", { type: "button", className: "plain", onclick: () => back(user) }, "Cancel");
  const form = makeForm(inputs(user), [make("button", {}, "Save"), cancel], async (values) => {
    back(await call("PATCH", `users/${user.id}`, values));
  });
  element.replaceChildren(form);
  form.querySelector("input").focus();
}
