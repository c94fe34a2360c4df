// The settings, backup, restart.

import { at, attempt, call, make, show } from "./app.js";
import { ask, field, makeForm } from "./forms.js";

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
  if (isOut && body.children.length === 1) return;
  const cards = isOut ? [logInCard()] :
    [networkCard((await call("GET", "api/status")).clock), passwordCard(), boardCard(), pinsCard()];
  body.replaceChildren(...cards);
}

async function renew() {
  await enter();
  at("h-settings").focus();
}

let saving = Promise.resolve();

// As they are by now: another form may have changed others.
function save(change) {
  saving = saving.catch(() => {}).then(async () => {
    settings = await call("GET", "api/settings");
    settings = await call("PUT", "api/settings", { ...settings, ...change(settings) });
  });
  return saving;
}

const card = (title, ...children) => make("div", { className: "card" }, make("h3", {}, title), ...children);
const note = (text) => make("p", { className: "quiet" }, text);
const plain = (label, onclick) => make("button", { type: "button", className: "plain", onclick }, label);
const secret = (label, name, autocomplete, hint) => field(label, { name, type: "password", autocomplete }, hint);

// For password managers.
const who = () => make("input", { hidden: true, autocomplete: "username", value: "admin" });

function logInCard() {
  return card("Log in", makeForm([who(), secret("Password", "password", "current-password")], "Log in",
    async ({ password }) => {
      await call("POST", "api/login", { password });
      await renew();
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
    await renew();
  })));
  return card("Password", makeForm(inputs, buttons, async (values, form) => {
    await call("PUT", "api/password", isSet ? { old: values.old, new: values.new } : { new: values.new });
    form.reset();
    if (!isSet) await renew();
    return "The password is set.";
  }));
}

// `path`: of the list, as in "networks.0.ssid".
function makeRows(path, items, makeRow, fresh, label) {
  const list = make("div");
  const add = (item) => {
    const [read, ...children] = makeRow(item);
    const row = make("div", { className: path === "networks" ? "network" : "pin" }, ...children,
      plain("Remove", () => { row.remove(); more.focus(); }));
    row.read = read;
    list.append(row);
    return row;
  };
  const read = () => [...list.children].map((row, i) => {
    for (const input of row.querySelectorAll("[data-member]")) input.name = `${path}.${i}.${input.dataset.member}`;
    return row.read();
  });
  const more = plain(label, () => add(fresh).querySelector("input").focus());
  let filled;
  const fill = (items) => {
    list.replaceChildren();
    items.forEach(add);
    filled = JSON.stringify(read());
  };
  fill(items);
  return {
    fill, children: [list, more],
    // A list that nobody touched may be another by `now`.
    read: (now) => JSON.stringify(read()) === filled ? now : read(),
  };
}

function timeHint({ unix_s: second, server, error }) {
  const time = second ? `It is ${new Date(second * 1000).toLocaleString()}` : "The time is not known";
  return `One a line. ${[time, server, error].filter(Boolean).join(", ")}.`;
}

function networkCard(clock) {
  const rows = makeRows("networks", settings.networks, networkRow, { ssid: "", password: false, address: null }, "Add a network");
  return card("Network", makeForm([
    field("Host name", { name: "hostname", value: settings.hostname }, "The board is found at this name and .local."),
    make("h4", {}, "Wi-Fi networks"), ...rows.children,
    field("Time servers", { name: "time_servers", rows: 2, value: settings.time_servers.join("\n") }, timeHint(clock)),
  ], "Save", async (values) => {
    const time_servers = values.time_servers.split(/\s+/).filter(Boolean);
    await save((now) => ({ hostname: values.hostname, time_servers, networks: rows.read(now.networks) }));
    rows.fill(settings.networks);
    return "Saved. It holds from the next start on.";
  }));
}

function networkRow(known) {
  const ssid = field("Name", { "data-member": "ssid", value: known.ssid, maxLength: 32 });
  const password = secret("Password", "", "new-password");
  const [name, key] = [ssid, password].map((part) => part.querySelector("input"));
  key.dataset.member = "password";
  key.placeholder = known.password ? "unchanged" : "none: open";
  const read = () => {
    const isKept = known.password && name.value === known.ssid;
    return { ...known, ssid: name.value, password: key.value || (isKept ? true : null) };
  };
  return [read, ssid, password];
}

const MODES = { input: "input", input_pull_up: "input, pulled up", output: "output", pwm: "PWM" };
const PIN = { number: "", name: "", mode: "output", frequency_hz: 1000, inverted: false };

function pinsCard() {
  const rows = makeRows("pins.gpio", settings.pins.gpio, pinRow, PIN, "Add a pin");
  return card("Pins", note("The dashboard shows them, and sets them for whoever may."),
    makeForm(rows.children, "Apply", async () => {
      await save(({ pins }) => ({ pins: { ...pins, gpio: rows.read(pins.gpio) } }));
      rows.fill(settings.pins.gpio);
      return "Applied.";
    }));
}

function pinRow(known) {
  const parts = [["number", "GPIO", { inputMode: "numeric" }], ["name", "Name", { maxLength: 24 }], ["mode", "Mode", { choices: MODES }],
    ["inverted", "On is", { choices: { false: "high", true: "low" } }], ["frequency_hz", "Hertz", { inputMode: "numeric" }]]
    .map(([member, label, properties]) => field(label, { "data-member": member, value: String(known[member]), ...properties }));
  const [number, name, mode, inverted, hertz] = parts.map((part) => part.querySelector("[data-member]"));
  mode.onchange = () => { parts[4].hidden = mode.value !== "pwm"; };
  mode.onchange();
  // The board says what is wrong with what is no number.
  const whole = ({ value }) => /^\d+$/.test(value) ? Number(value) : value;
  return [() => ({
    number: whole(number), name: name.value, mode: mode.value, inverted: inverted.value === "true",
    frequency_hz: parts[4].hidden ? known.frequency_hz : whole(hertz),
  }), ...parts];
}

function boardCard() {
  const input = make("input", { type: "file", accept: ".json", id: "restore" });
  input.onchange = () => attempt(async () => {
    const [file] = input.files;
    const text = await file.text();
    input.value = "";
    if (!await ask(`Replace all settings by ${file.name}?`, "Replace")) return;
    let backup = {};
    try { backup = JSON.parse(text); } catch {} // nor is it one
    if (!backup?.hostname) throw { message: `${file.name} is not a backup.` };
    await call("PUT", "api/settings", backup);
    await renew();
    show("said", "The settings are restored.");
  });
  const restart = make("button", { type: "button", onclick: () => attempt(async () => {
    if (!await ask("Restart the board?", "Restart")) return;
    await call("POST", "api/restart");
    show("said", "The board was told to restart.");
  }) }, "Restart");
  return card("Board",
    note("A backup has all settings but the passwords: a board keeps its own."),
    make("div", { className: "row" },
      make("a", { className: "button plain", href: "api/settings?download=1", download: `${settings.hostname}.json` }, "Backup"),
      make("label", { className: "button plain", htmlFor: "restore" }, "Restore", input)),
    note("A restart takes a few seconds; this page comes back by itself."),
    make("div", { className: "row" }, restart), make("p", { id: "said", className: "good", role: "status" }));
}
