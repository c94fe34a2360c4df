// Log-in and the password.

import { access, arrive, attempt, call, make } from "./app.js";
import { ask, card, field, makeForm, note, plain, secret } from "./forms.js";

// For password managers.
const who = () => make("input", { hidden: true, autocomplete: "username", value: "admin" });

const forgotten = () => make("details", {}, make("summary", {}, "Forgotten password?"),
  note("The board cannot tell it. Whoever has the board in hand may put it right, by the cable: python3 -m tools push FOLDER " +
    "brings back what pull has saved, with the password of that time; python3 -m tools erase-data begins anew: then the " +
    "first who comes sets a password, and the settings, the users and the files are gone."));

let dialog;

export function logIn() {
  dialog?.remove();
  const cancel = plain("Cancel", () => dialog.close());
  const form = makeForm([who(), secret("Password", "password", "current-password")], [make("button", {}, "Log in"), cancel],
    async ({ password }) => {
      await call("POST", "api/login", { password });
      dialog.close();
      await arrive();
    });
  dialog = make("dialog", { "aria-labelledby": "h-log-in" }, make("h3", { id: "h-log-in" }, "Log in"), form, forgotten());
  document.body.append(dialog);
  dialog.showModal();
}

const ROLES = { read: "read", write: "read and change", admin: "do everything" };

// Loaded when it is opened: most boards have none.
export function tokensCard() {
  const list = make("ul");
  const fill = async () => {
    const { tokens } = await call("GET", "api/tokens");
    list.replaceChildren(...tokens.map(({ name, role }) => {
      const remove = plain("Delete", () => attempt(async () => {
        if (!await ask(`Delete the token ${name}?`)) return;
        await call("DELETE", `api/tokens/${name}`);
        await fill();
      }));
      remove.setAttribute("aria-label", `Delete ${name}`);
      return make("li", {}, make("div", { className: "wide" }, name, " ", make("span", { className: "quiet" }, `may ${ROLES[role]}`)), remove);
    }));
  };
  const form = makeForm([field("Name", { name: "name" }), field("It may", { name: "role", choices: ROLES })], "Make", async (values, form) => {
    const { token } = await call("POST", "api/tokens", values);
    form.reset();
    await fill();
    return ["It is shown this once: ", make("code", {}, token)];
  });
  const details = make("details", { className: "card" }, make("summary", {}, make("h3", {}, "Tokens")),
    note("A script sends one as Authorization: Bearer TOKEN."), list, form);
  details.ontoggle = () => details.open && attempt(fill);
  return details;
}

export function passwordCard() {
  const isSet = access === "in";
  const inputs = [who()];
  if (isSet) inputs.push(secret("Old password", "old", "current-password"));
  inputs.push(secret("New password", "new", "new-password", isSet ? "" : "Without one, the network may only read."));
  return card("Password", makeForm(inputs, isSet ? "Change" : "Set", async (values, form) => {
    await call("PUT", "api/password", isSet ? { old: values.old, new: values.new } : { new: values.new });
    form.reset();
    await arrive(isSet);
    const left = form.closest(".card");
    if (!isSet && left.isConnected) left.replaceWith(passwordCard()); // others have what is not saved yet
    return "The password is set.";
  }), ...isSet ? [forgotten()] : []);
}
