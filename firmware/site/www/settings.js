// The settings, backup, restart.

import { access, at, attempt, call, make, show } from "./app.js";
import { ask, card, field, makeForm, note, plain, secret } from "./forms.js";
import { passwordCard, tokensCard } from "./account.js";
import { updateCard } from "./update.js";
import { merge, needsRestart, readAll, settingField, settingFields } from "./fields.js";

export const isPrivate = true;

let body, schema, settings;

export function build(section) {
  body = make("div", { className: "columns" });
  section.append(body);
}

export async function enter(section, isAgain) {
  if (body.children.length && (isAgain || body.querySelector(".unsaved"))) return;
  if (access === "unset") return body.replaceChildren(passwordCard());
  settings = await call("GET", "api/settings");
  schema ||= (await call("GET", "openapi.json")).components.schemas.Settings;
  const status = await call("GET", "api/status");
  body.replaceChildren(networkCard(status), passwordCard(), boardCard(), pinsCard(), ...projectCards(), ...status.board === "simulated" ? [] : [updateCard()], tokensCard(), moreCard());
}

async function renew() {
  await enter();
  at("h-settings").focus();
}

let saving = Promise.resolve();

// As they are by now: another form may have changed others. Returns what is to be said.
function save(change) {
  saving = saving.catch(() => {}).then(async () => {
    const before = await call("GET", "api/settings");
    settings = await call("PUT", "api/settings", { ...before, ...change(before) });
    if (!needsRestart(schema, before, settings)) return "Saved.";
    return ["Saved. It holds from the next start on. ", plain("Restart now", () => attempt(restart))];
  });
  return saving;
}

// `path`: of the list, as in "networks.0.ssid".
function makeRows(path, items, makeRow, fresh, label) {
  const list = make("div");
  const add = (item) => {
    const [read, ...children] = makeRow(item);
    const row = make("div", { className: path === "networks" ? "network" : "pin" }, ...children,
      plain("Remove", () => { row.remove(); changed(); more.focus(); }));
    row.read = read;
    list.append(row);
    return row;
  };
  const read = () => [...list.children].map((row, i) => {
    for (const input of row.querySelectorAll("[data-member]")) input.name = `${path}.${i}.${input.dataset.member}`;
    return row.read();
  });
  const changed = () => list.dispatchEvent(new Event("input", { bubbles: true }));
  const more = plain(label, () => { add(fresh).querySelector("input").focus(); changed(); });
  let filled;
  const fill = (items) => {
    list.replaceChildren();
    items.forEach(add);
    filled = JSON.stringify(read());
  };
  fill(items);
  return {
    fill, children: [list, more], add: (item) => { const row = add(item); changed(); return row; },
    // A list that nobody touched may be another by `now`.
    read: (now) => JSON.stringify(read()) === filled ? now : read(),
  };
}

function timeHint({ unix_s: second, server, error }) {
  const time = second ? `It is ${new Date(second * 1000).toLocaleString()}` : "The time is not known";
  return `One a line. ${[time, server, error].filter(Boolean).join(", ")}.`;
}

function networkCard({ clock, wifi }) {
  const rows = makeRows("networks", settings.networks, networkRow, { ssid: "", password: false, address: null }, "Add a network");
  const { hostname, time_servers } = schema.properties;
  const [name, readName] = settingField(hostname, settings.hostname, "hostname");
  const [servers, readServers] = settingField(time_servers, settings.time_servers, "time_servers", timeHint(clock));
  let before = { hostname: settings.hostname, time_servers: settings.time_servers };
  return card("Network", makeForm([
    name, make("h4", {}, "Wi-Fi networks"), ...rows.children, ...wifi ? [search(rows)] : [], servers,
  ], "Save", async (values) => {
    const after = { hostname: readName(values), time_servers: readServers(values) };
    const told = await save((now) => ({ ...merge(now, before, after), networks: rows.read(now.networks) }));
    rows.fill(settings.networks);
    before = after;
    return told;
  }));
}

// The networks in range, to be chosen from.
function search(rows) {
  const found = make("ul", { "aria-label": "Networks in range" });
  const button = plain("Search", () => attempt(async () => {
    button.disabled = true;
    button.textContent = "Searching…";
    try {
      const { networks } = await call("GET", "api/settings/networks");
      found.replaceChildren(...networks.map(({ ssid, rssi, locked }) => make("li", {},
        make("div", { className: "wide" }, ssid, " ", make("span", { className: "quiet" }, `${rssi} dBm${locked ? "" : ", open"}`)),
        plain("Choose", () => rows.add({ ssid, password: false, address: null }).querySelector("[type=password]").focus()))));
      if (!networks.length) found.append(make("li", { className: "quiet" }, "None is in range."));
    } finally {
      button.disabled = false;
      button.textContent = "Search";
    }
  }));
  return make("div", {}, button, found);
}

function networkRow(known) {
  const { ssid, address } = schema.properties.networks.items.properties;
  const name = field(ssid.title, { "data-member": "ssid", value: known.ssid, maxLength: ssid.maxLength });
  const password = secret("Password", "", "new-password");
  const key = password.querySelector("input");
  key.dataset.member = "password";
  key.placeholder = known.password ? "unchanged" : "none: open";
  const parts = Object.entries(address.properties).map(([member, { title, default: usual = "" }]) =>
    [member, field(title, { "data-member": `address.${member}`, value: known.address?.[member] ?? "", placeholder: usual })]);
  const fixed = make("details", { open: Boolean(known.address) }, make("summary", {}, address.title),
    note("Empty: the network gives one."), ...parts.map((part) => part[1]));
  const read = () => {
    const typed = parts.map(([member, part]) => [member, part.querySelector("input").value.trim()]).filter(([, text]) => text);
    // A secret is kept by its network's name: for another the board asks for it.
    return { ssid: name.querySelector("input").value, password: key.value || known.password || null,
      address: typed.length ? Object.fromEntries(typed) : null };
  };
  return [read, name, password, fixed];
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

// All that has no card of its own.
function moreCard() {
  const left = { ...schema.properties, pins: { ...schema.properties.pins } };
  for (const name of ["hostname", "networks", "time_servers", "admin", "project"]) delete left[name];
  const { gpio, ...led } = left.pins.properties;
  left.pins.properties = led;
  const parts = settingFields(left, settings);
  const form = settingsForm(parts.map((part) => part[1]), readAll(parts));
  return make("details", { className: "card" }, make("summary", {}, make("h3", {}, "More")), form);
}

// Of a project that is left out nobody knows what they are.
function projectCards() {
  const { project } = schema.properties;
  if (!project?.properties || !settings.project) return [];
  const parts = settingFields(project.properties, settings.project, "project");
  const read = readAll(parts);
  return [card("Project", settingsForm(parts.map((part) => part[1]), (form) => ({ project: read(form) })))];
}

// A form whose fields are those of settings; `read` tells what they are by the form.
function settingsForm(children, read) {
  const values = (form) => read(Object.fromEntries(new FormData(form)));
  const form = makeForm(children, "Save", async () => {
    const after = values(form);
    const told = await save((now) => merge(now, before, after));
    for (const key of form.querySelectorAll("[autocomplete=new-password]")) key.value = "";
    before = values(form);
    return told;
  });
  let before = values(form);
  return form;
}

async function restart() {
  if (!await ask("Restart the board?", "Restart")) return;
  await call("POST", "api/restart");
  show("said", "The board was told to restart.");
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
    const { missing = [] } = await call("PUT", "api/settings", { ...backup, backup: true });
    await renew();
    const more = missing.length ? ` Now type what has no password here: ${missing.join(", ")}.` : "";
    show("said", `The settings are restored.${more}`);
  });
  return card("Board",
    note("A backup has all settings but the passwords: a board keeps its own."),
    make("div", { className: "row" },
      make("a", { className: "button plain", href: "api/settings?download=1", download: `${settings.hostname}.json` }, "Backup"),
      make("label", { className: "button plain", htmlFor: "restore" }, "Restore", input)),
    note("A restart takes a few seconds; this page comes back by itself."),
    make("div", { className: "row" }, make("button", { type: "button", onclick: () => attempt(restart) }, "Restart")), make("p", { id: "said", className: "good", role: "status" }));
}
