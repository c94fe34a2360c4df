// The settings: the network, the password, backup and restore, restart.

import { ask, attempt, call, field, make, makeForm } from "./app.js";

let body, session, settings;

export function build(section) {
  body = make("div", { className: "columns" });
  section.append(body);
}

export async function enter(section, isAgain) {
  if (isAgain && body.children.length) return;
  session = await call("GET", "api/session");
  const isOut = session.password_set && !session.user;
  settings = isOut ? null : await call("GET", "api/settings");
  body.replaceChildren(...(isOut ? [logInCard()] : [networkCard(), passwordCard(), boardCard()]));
}

const card = (title, ...children) => make("div", { className: "card" }, make("h3", {}, title), ...children);
const note = (text) => make("p", { className: "quiet" }, text);
const plain = (label, onclick) => make("button", { type: "button", className: "plain", onclick }, label);
const secret = (label, name, autocomplete, hint) => field(label, { name, type: "password", autocomplete }, hint);

// -- log-in and password

// A password manager wants to know whose password it is.
const who = () => make("input", { hidden: true, autocomplete: "username", value: "admin" });

function logInCard() {
  return card("Log in", makeForm([who(), secret("Password", "password", "current-password")], "Log in",
    async ({ password }) => {
      await call("POST", "api/login", { password });
      await enter();
    }));
}

function passwordCard() {
  const isSet = session.password_set;
  const inputs = [who()];
  if (isSet) inputs.push(secret("Old password", "old", "current-password"));
  inputs.push(secret("New password", "new", "new-password", "Without one, the network may only read."));
  const buttons = [make("button", {}, isSet ? "Change" : "Set")];
  if (isSet) buttons.push(plain("Log out", () => attempt(async () => {
    await call("POST", "api/logout");
    await enter();
  })));
  return card("Password", makeForm(inputs, buttons, async (values, form) => {
    await call("PUT", "api/password", isSet ? { old: values.old, new: values.new } : { new: values.new });
    form.reset();
    if (!isSet) await enter();
    return "The password is set.";
  }));
}

// -- the network

function networkCard() {
  const rows = make("div");
  settings.networks.forEach((network) => rows.append(networkRow(network)));
  const add = plain("Add a network", () => {
    rows.append(networkRow({ ssid: "", password: false, address: null }));
    rows.lastChild.querySelector("input").focus();
  });
  const form = makeForm([
    field("Host name", { name: "hostname", value: settings.hostname }, "The board is found at this name and .local."),
    make("h4", {}, "Wi-Fi networks"), rows, add,
    field("Time servers", { name: "time_servers", rows: 2, value: settings.time_servers.join("\n") }, "One a line."),
  ], "Save", async (values) => {
    const networks = [...rows.children].map((row) => row.read());
    const time_servers = values.time_servers.split(/\s+/).filter(Boolean);
    settings = await call("PUT", "api/settings", { ...settings, hostname: values.hostname, time_servers, networks });
    rows.replaceChildren(...settings.networks.map(networkRow));
    return "Saved. It holds from the next start on.";
  });
  // What is wrong is told by the place in the list.
  form.addEventListener("submit", () => [...rows.children].forEach((row, i) => row.number(i)), true);
  return card("Network", form);
}

function networkRow(known) {
  const ssid = field("Name", { value: known.ssid, maxLength: 32 });
  const password = secret("Password", "", "new-password");
  const [name, key] = [ssid, password].map((part) => part.querySelector("input"));
  key.placeholder = known.password ? "unchanged" : "none: open";
  const row = make("div", { className: "network" }, ssid, password, plain("Remove", () => row.remove()));
  row.number = (i) => {
    name.name = `networks.${i}.ssid`;
    key.name = `networks.${i}.password`;
  };
  row.read = () => {
    const isKept = known.password && name.value === known.ssid;
    return { ...known, ssid: name.value, password: key.value || (isKept ? true : null) };
  };
  return row;
}

// -- the board

function boardCard() {
  const input = make("input", { type: "file", accept: ".json", id: "restore" });
  input.onchange = () => attempt(async () => {
    const [file] = input.files;
    const text = await file.text();
    input.value = "";
    if (!await ask(`Replace all settings by ${file.name}?`, "Replace")) return;
    let document;
    try {
      document = JSON.parse(text);
    } catch {
      throw { message: `${file.name} is not a backup.` };
    }
    await call("PUT", "api/settings", document);
    await enter();
  });
  const restart = make("button", { type: "button", onclick: () => attempt(async () => {
    if (await ask("Restart the board?", "Restart")) await call("POST", "api/restart");
  }) }, "Restart");
  return card("Board",
    note("A backup has all settings but the passwords: what it is put back on keeps its own."),
    make("div", { className: "row" },
      make("a", { className: "button plain", href: "api/settings?download=1", download: `${settings.hostname}.json` }, "Backup"),
      make("label", { className: "button plain", htmlFor: "restore" }, "Restore", input)),
    note("A restart takes a few seconds; this page comes back by itself."),
    make("div", { className: "row" }, restart));
}
