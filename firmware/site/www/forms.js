// Forms and questions.

import { at, make, show } from "./app.js";

let fields = 0;

// A labelled input; `choices`: {value: text} to select from.
export function field(label, { choices, value, ...properties }, hint = "") {
  const id = `field-${++fields}`;
  const options = Object.entries(choices || {}).map(([value, text]) => make("option", { value }, text));
  const input = make(choices ? "select" : properties.rows ? "textarea" : "input", {
    id, autocomplete: "off", spellcheck: false, "aria-describedby": `${id}-hint ${id}-error`, ...properties,
  }, ...options);
  if (value !== undefined) input.value = value;
  return make("div", { className: "field" }, make("label", { htmlFor: id }, label), input,
    make("p", { className: "quiet", id: `${id}-hint` }, hint), make("p", { className: "error", id: `${id}-error` }));
}

// A password: what is typed can be looked at.
export function secret(label, name, autocomplete, hint) {
  const part = field(label, { name, type: "password", autocomplete }, hint);
  const input = part.querySelector("input");
  const eye = make("button", { type: "button", className: "eye plain", "aria-pressed": "false" }, "Show");
  eye.onclick = () => {
    const isShown = input.type === "text";
    input.type = isShown ? "password" : "text";
    eye.setAttribute("aria-pressed", !isShown);
  };
  input.after(eye);
  return part;
}

export const card = (title, ...children) => make("div", { className: "card" }, make("h3", {}, title), ...children);
export const note = (text) => make("p", { className: "quiet" }, text);
export const plain = (label, onclick) => make("button", { type: "button", className: "plain", onclick }, label);

// What is typed stays while one looks around; who leaves is asked.
addEventListener("beforeunload", (event) => {
  if (document.querySelector("#settings .unsaved, #users .unsaved")) event.preventDefault();
});

// A form that calls act(values, form); what it returns, or is wrong, is shown beside its field, or at the end.
export function makeForm(children, button, act) {
  const general = make("p", { className: "error", role: "alert" });
  const form = make("form", { noValidate: true }, ...children,
    make("div", { className: "row" }, ...[].concat(typeof button === "string" ? make("button", {}, button) : button)), general);
  form.addEventListener("input", () => form.classList.add("unsaved"));
  form.addEventListener("reset", () => form.classList.remove("unsaved"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter || form.querySelector("button");
    button.disabled = true;
    mark(form, {});
    general.textContent = "";
    try {
      general.replaceChildren(...[].concat(await act(Object.fromEntries(new FormData(form)), form) || ""));
      general.className = "good";
      form.classList.remove("unsaved");
    } catch (error) {
      if (error instanceof Error) throw error;
      general.className = "error";
      general.textContent = mark(form, error.fields || {}) ? "" : error.message;
    }
    button.disabled = false;
    if (document.activeElement === document.body) button.focus();
  });
  return form;
}

// Returns whether all that is wrong has a field: an item its own, or its list's.
function mark(form, wrong) {
  const left = new Set(Object.keys(wrong));
  let first;
  for (const input of form.querySelectorAll(".field > [name]")) {
    const name = [...left].find((path) => path === input.name || path.replace(/\.\d+$/, "") === input.name);
    input.parentNode.querySelector(".error").textContent = name ? wrong[name] : "";
    input.setAttribute("aria-invalid", Boolean(name));
    left.delete(name);
    if (name) input.closest("details")?.setAttribute("open", "");
    if (name && !first) first = input;
  }
  if (first) first.focus();
  return first && !left.size;
}

// Asks before what cannot be undone; resolves to whether to do it.
export function ask(question, yes = "Delete") {
  show("question", question);
  show("yes", yes);
  at("ask").returnValue = "";
  at("ask").showModal();
  return new Promise((resolve) => {
    at("ask").onclose = () => resolve(at("ask").returnValue === "yes");
  });
}
