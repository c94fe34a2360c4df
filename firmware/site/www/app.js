// The page, its live connection, the dashboard.

const PATIENCE_MS = 10000; // a board takes seconds for a password
const BUSY_MS = 1000;
const BUSY_TRIES = 4;

export const at = (id) => document.getElementById(id);
export const show = (id, text) => { at(id).textContent = text; };

// An element; what is no property of it is an attribute.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export const SILENT = "The board does not answer.";

// Returns JSON or text; throws {status, message, fields}, with status 0 for no answer.
export async function call(method, path, body, patienceMs = PATIENCE_MS) {
  for (let tries = 1; ; tries += 1) {
    let response, content;
    try {
      const headers = { Accept: "application/json" };
      if (body) headers["Content-Type"] = "application/json";
      const signal = AbortSignal.timeout(patienceMs);
      response = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
      content = await response.text();
      if (content && /json$/.test(response.headers.get("Content-Type"))) content = JSON.parse(content);
    } catch {
      throw { status: 0, message: SILENT, fields: {} };
    }
    if (response.ok) return content;
    if (/429|503/.test(response.status) && method !== "POST" && tries < BUSY_TRIES) {
      await pause(BUSY_MS * tries);
      continue;
    }
    throw problem(response.status, content);
  }
}

export function problem(status, content) {
  const { detail, reason, fields = {} } = content.error || {};
  const isOut = status === 401 && /^Log in/.test(detail);
  if (isOut) setAccess("out");
  const message = isOut ? "Log in first: at the top." : detail || reason || `The board answered ${status}.`;
  return { status, message, fields, isOut };
}

export function notice(text = "") { show("notice", text); }

// Does what may fail; tells why it did.
export async function attempt(act) {
  try {
    await act();
    notice();
  } catch (error) {
    if (error instanceof Error) throw error;
    notice(error.message);
  }
}

// -- who may

const KEYS = { out: "Log in", in: "Log out", open: "No password", unset: "No password" };
const WHY = { out: "Log in to change this.", unset: "Set a password to change this." };
// Who has never logged in here is nobody to the board: to ask it would take some of its memory.
const FLAG = `logged in at ${location.pathname}`;

// "out": a log-in is needed; "in"; "open": there is no password, and none is needed; "unset": it has to be set first.
export let access = null;
let isKnown;
const known = new Promise((resolve) => { isKnown = resolve; });
let isPasswordSet = null;

function setAccess(state) {
  access = document.body.dataset.access = state;
  show("key-text", KEYS[state]);
  for (const part of document.querySelectorAll(".why")) part.textContent = WHY[state] || "";
  control();
  isKnown();
}

const isLocked = () => access in WHY;
const control = () => { at("led").disabled = at("pins").disabled = !live || isLocked(); };

async function readAccess(isSet) {
  isPasswordSet = isSet;
  if (isSet && !localStorage[FLAG]) return setAccess("out");
  try {
    const { user } = await call("GET", "api/session");
    const wasLocked = isLocked();
    setAccess(user ? isSet ? "in" : "open" : isSet ? "out" : "unset");
    if (wasLocked && !isLocked()) enter(); // by another tab
  } catch {
    isPasswordSet = null; // the next status asks again
  }
}

// Somebody has logged in; `isAgain`: as `enter` has it.
export async function arrive(isAgain = true) {
  localStorage[FLAG] = 1;
  isPasswordSet = true;
  setAccess("in");
  connectAt = 0;
  await readStatus();
  await enter(isAgain);
  if (document.activeElement === document.body) at(`h-${shown}`).focus();
}

async function logOut() {
  await call("POST", "api/logout");
  delete localStorage[FLAG];
  location.reload(); // what was shown is for nobody else
}

export const why = () => make("p", { className: "quiet why" }, WHY[access] || "");

const useKey = () => attempt(async () => {
  if (access === "out") return (await load("account")).logIn();
  if (access === "in") return logOut();
  location.hash = "#/settings";
});

at("key").onclick = useKey;
addEventListener("storage", () => { statusAt = 0; isPasswordSet = null; });

export function size(bytes) {
  let unit = 0;
  for (; bytes >= 1000 && unit < 3; unit += 1) bytes /= 1024;
  return `${bytes < 10 && unit ? bytes.toFixed(1) : Math.round(bytes)} ${["B", "KiB", "MiB", "GiB"][unit]}`;
}

export function duration(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([length]) => seconds >= length);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2)
    .map(([length, unit], i) => `${Math.floor((i ? seconds % parts[first][0] : seconds) / length)} ${unit}`).join(" ");
}

// -- charts

const SPAN_S = 120;
const EDGE = 97; // of 100: where the newest stands
const LEAST_SPAN_S = 20;

export class Chart {
  // `least`: what the height shows, of the unit; `scale`: of what comes.
  constructor(id, unit, digits, least, scale = 1) {
    this.element = at(id);
    this.plot = this.element.querySelector(".plot") || this.build();
    this.plot.onpointermove = ({ offsetX }) => { this.pointed = offsetX / this.plot.clientWidth * 100; this.draw(); };
    this.plot.onpointerleave = () => { this.pointed = null; this.draw(); };
    this.text = (value) => value.toFixed(digits);
    Object.assign(this, { unit: unit && ` ${unit}`, points: [], least, scale, pointed: null });
  }

  // Around the picture: what its height and its width stand for.
  build() {
    const svg = this.element.querySelector("svg");
    const plot = make("div", { className: "plot" }, ...["high", "low", "ago", "now"].map((className) => make("span", { className })));
    svg.replaceWith(plot);
    plot.prepend(svg);
    return plot;
  }

  add(second, value) {
    if (typeof value !== "number") return;
    this.element.hidden = false;
    const newest = this.points.at(-1);
    if (newest && second < newest[0]) this.points = [];
    this.points.push([second, value * this.scale]);
    while (this.points[0][0] < second - SPAN_S) this.points.shift();
  }

  draw() {
    if (!this.points.length) return;
    const last = this.points.at(-1)[0];
    const values = this.points.map((point) => point[1]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const span = Math.max(high - low, this.least);
    const bottom = Math.max((low + high - span) / 2, Math.min(0, low));
    const seconds = Math.max(last - this.points[0][0], LEAST_SPAN_S);
    const x = (second) => EDGE - (last - second) * EDGE / seconds;
    const place = ([second, y]) => `${x(second).toFixed(1)} ${(36 - (y - bottom) * 32 / span).toFixed(1)}`;
    // What is told is the newest, or what the pointer is nearest to.
    const far = ([second]) => Math.abs(x(second) - (this.pointed ?? EDGE));
    const told = this.points.reduce((best, point) => far(point) <= far(best) ? point : best);
    const line = this.points.map(place).join("L");
    const [area, curve, dot] = this.element.querySelectorAll("path");
    area.setAttribute("d", `M${line}V40H${line.split(" ")[0]}z`);
    curve.setAttribute("d", `M${line}`);
    dot.setAttribute("d", `M${place(told)}h0`);
    const range = `${this.text(low)} to ${this.text(high)}${this.unit}`;
    this.element.querySelector(".value").textContent = this.text(told[1]) + this.unit;
    this.element.querySelector(".range").textContent = this.pointed === null ? range : `${last - told[0]} s before`;
    const axes = [this.text(bottom + span), this.text(bottom), `${Math.round(seconds)} s ago`, "now"];
    axes.forEach((text, i) => { this.plot.children[i + 1].textContent = text; });
    this.element.querySelector("svg").setAttribute("aria-label", `In the last two minutes: ${range}`);
  }
}

export const charts = {
  rate: new Chart("rate", "", 1, 2),
  temperature_c: new Chart("temperature", "°C", 1, 1),
  heap_free: new Chart("heap", "KiB", 0, 8, 1 / 1024),
  idf_free: new Chart("idf", "KiB", 0, 8, 1 / 1024),
  rssi_dbm: new Chart("rssi", "dBm", 0, 10),
};

function draw() {
  if (at("dashboard").hidden) return;
  for (const chart of Object.values(charts)) chart.draw();
}

let counted = null;

function count(second, requests) {
  if (counted && second > counted.second && requests >= counted.requests) {
    charts.rate.add(second, (requests - counted.requests) / (second - counted.second));
  }
  if (!counted || second !== counted.second) counted = { second, requests };
}

function showReading(reading) {
  const { uptime_s: second } = reading;
  for (const [id, chart] of Object.entries(charts)) chart.add(second, reading[id]);
  count(second, reading.requests);
  show("requests", reading.requests);
  show("uptime", duration(second));
  hasReading = true;
  reveal();
  showLED(reading.led);
  showPins(reading.pins, reading.pins_version);
  showSensors(second, reading.sensors);
  if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; draw(); });
}

let drawing = 0;
let hasReading = false;
let startedAt = 0; // the board, by this clock

// What the board does not have takes no card: so none is shown before that is known.
function reveal() {
  if (hasReading && startedAt) at("dashboard").classList.remove("loading");
}

// Returns when it was so many seconds behind the board's start.
export const timeOf = (second) => new Date(startedAt + second * 1000);

function showStatus(status) {
  const { firmware, python, boot, wifi, connections } = status;
  startedAt = Date.now() - status.uptime_s * 1000;
  at("lamp").hidden = !status.led;
  reveal();
  if (status.password_set !== isPasswordSet) readAccess(status.password_set);
  hostname = wifi && wifi.hostname || status.hostname || firmware.name;
  show("name", hostname);
  const without = (status.left_out || []).map((guard) => ` · no ${guard}`).join("");
  show("about", `${firmware.name} ${firmware.version} · ${python.implementation} ${python.version} · ${status.board}${without}`);
  show("address", wifi && wifi.address || location.hostname);
  show("network", wifi ? wifi.ssid || wifi.state : "this computer's");
  const crash = boot.last_crash ? `; last crash: ${boot.last_crash}` : "";
  show("boot", `${boot.reset_cause}${boot.safe_mode ? ", safe mode" : ""}${crash}`);
  show("open", `${connections.open} of ${connections.limit}`);
  for (const name of ["refused", "timeouts", "lost", "errors"]) show(name, connections[name]);
  const { error, has_page } = status.project || {};
  show("broken", error ? `The project does not start: ${error}` : "");
  if (has_page) at("name").replaceChildren(make("a", { href: "../" }, hostname));
  nameTab();
  draw();
}

// -- the LED, and the pins where the settings have any

async function showPins(values, version) {
  at("pins").hidden = !values;
  try {
    if (values) await (await import("./pins.js")).showValues(values, version);
  } catch {} // the next reading asks again
}

async function showSensors(second, values) {
  try {
    if (values) await (await import("./project.js")).showSensors(second, values);
  } catch {} // here, too
}

let switching = 0;

function showLED(on) {
  if (switching) return;
  at("led").setAttribute("aria-checked", on);
  show("led-state", on ? "on" : "off");
}

at("led").addEventListener("click", async () => {
  let on = at("led").getAttribute("aria-checked") !== "true";
  switching += 1;
  try {
    ({ on } = await call("PUT", "api/led", { on }));
    show("led-error", "");
  } catch (error) {
    on = !on;
    show("led-error", error.message);
  }
  switching -= 1;
  showLED(on);
});

// -- live: events, or polls where there is no place for a listener

const TURN_MS = 500;
const LATE_MS = 2000; // a reading comes every second
const STALE_MS = 4000;
const AGAIN_MS = 2000; // between attempts to connect
const FULL_MS = 10000; // where all places are taken
const STATUS_MS = 10000; // what readings do not tell
const REPLAY_MS = 700;

const me = Math.random();
// One tab of a browser listens, and tells the others that show this board.
const channel = new BroadcastChannel(location.pathname);

let source = null;
let latest = null;
let last = 0; // the number of the newest reading
let newest = -1; // and its second
let seen = 0; // when the board was last heard
let heard = 0; // and another tab
let connectAt = 0; // when to listen, or when the source was heard
let statusAt = 0;
let isFull = false;
let live = null;
let late = null;

function take(number, reading) {
  seen = Date.now();
  // The board started anew: within one life both grow.
  if (reading.uptime_s < newest - 2 || (number < last && reading.uptime_s > newest)) last = 0;
  if (number <= last) return;
  last = number;
  newest = reading.uptime_s;
  showReading(reading);
}

channel.onmessage = ({ data }) => {
  if (!data.reading) {
    if (source && latest) channel.postMessage(latest); // a new tab asks whether somebody listens
    return;
  }
  if (source && data.me < me) stop();
  heard = Date.now();
  take(data.number, data.reading);
  turn();
};

function stop() {
  if (source) source.close();
  source = null;
}

function listen() {
  const began = connectAt = Date.now();
  const mine = source = new EventSource(`api/events?since=${last}`);
  mine.onmessage = (event) => {
    const number = Number(event.lastEventId);
    const reading = JSON.parse(event.data);
    isFull = false;
    take(number, reading);
    connectAt = seen;
    latest = { me, number, reading };
    if (seen - began > REPLAY_MS) channel.postMessage(latest);
    if (!live || late) turn();
  };
  mine.onerror = () => {
    mine.close();
    if (source !== mine) return;
    source = null;
    isFull = false;
    connectAt = Date.now() + AGAIN_MS;
    poll(true);
  };
}

// Asks for what is new; `isRefused`: the board does not send it.
async function poll(isRefused = isFull) {
  try {
    const headers = { Accept: "application/json" }; // else a 401 opens the browser's own window
    const response = await fetch(`api/readings?since=${last}`, { headers, signal: AbortSignal.timeout(STALE_MS) });
    if (response.status === 401) seen = Date.now(); // it is there
    if (!response.ok) throw response;
    seen = Date.now();
    if (isRefused && !isFull) connectAt = seen + FULL_MS;
    isFull = isRefused;
    const { last: number, values } = response.status === 200 ? await response.json() : { last, values: [] };
    values.forEach((reading, i) => take(number - values.length + i + 1, reading));
  } catch {
    isFull = false;
  }
  turn();
}

export async function readStatus() {
  statusAt = Date.now() + STATUS_MS;
  try {
    showStatus(await call("GET", "api/status"));
    seen = Date.now();
    gate(at("dashboard"), false);
  } catch ({ isOut }) {
    if (isOut) {
      gate(at("dashboard"), true);
      at("dashboard").classList.remove("loading");
    }
  }
}

function turn() {
  const now = Date.now();
  const isLive = now - seen < STALE_MS;
  const isLate = isLive && now - seen > LATE_MS;
  if (isLive && isLate !== late) {
    late = isLate;
    show("link", isLate ? "waiting" : "live");
    document.body.className = isLate ? "" : "live";
  }
  if (isLive !== live && (isLive || now - began > STALE_MS)) {
    if (!isLive) {
      late = null;
      show("link", `no answer${seen ? ` since ${new Date(seen).toLocaleTimeString()}` : ""}`);
      document.body.className = "stale";
    }
    const isBack = isLive && live === false;
    live = isLive;
    control();
    if (isBack) {
      statusAt = 0;
      enter(true);
    }
  }
  if (document.hidden) return stop(); // places are few
  if (isLive && now >= statusAt) readStatus();
  if (source && now - connectAt > STALE_MS) return source.onerror(); // held back by a proxy
  if (isFull && now - seen > AGAIN_MS / 2) poll();
  if (!source && now - heard >= AGAIN_MS && now >= connectAt) listen();
}

let shown = null;
let part = null;
let hostname = "Limpet";

function nameTab() {
  const link = document.querySelector("nav [aria-current]");
  document.title = `${link.textContent} · ${hostname}`;
}

// `isOut`: in place of what a section has it tells what that takes.
function gate(section, isOut) {
  section.querySelector(".gate")?.remove();
  section.classList.toggle("locked", isOut);
  if (!isOut) return;
  const [text, label] = access === "out" ? ["This takes a log-in.", "Log in"] :
    ["Until a password is set, this is closed to the network.", "Set a password"];
  section.append(make("div", { className: "card gate" }, make("p", {}, text), make("button", { type: "button", onclick: useKey }, label)));
}

// `isAgain`: the board is back; what somebody is typing shall stay.
async function enter(isAgain) {
  if (!part) return route();
  const section = at(shown);
  const { isPrivate, enter } = part;
  if (isPrivate) await known;
  let isOut = Boolean(isPrivate) && isLocked() && (access === "out" || section.id === "log");
  await attempt(async () => {
    try {
      if (!isOut) await enter(section, isAgain);
    } catch (error) {
      if (!error.isOut) throw error;
      isOut = true;
    }
  });
  section.classList.remove("loading");
  gate(section, isOut);
}

async function load(name) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await import(`./${name}.js`);
    } catch {
      if (tries === BUSY_TRIES) throw { message: SILENT };
      await pause(BUSY_MS * tries);
    }
  }
}

async function route() {
  const before = shown;
  const wanted = location.hash.slice(2);
  shown = document.querySelector(`nav [href="#/${CSS.escape(wanted)}"]`) ? wanted : "dashboard";
  if (shown === before) return;
  for (const link of document.querySelectorAll("nav a")) {
    const name = link.hash.slice(2);
    at(name).hidden = name !== shown;
    if (name === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  nameTab();
  notice();
  scrollTo(0, 0);
  if (before) at(`h-${shown}`).focus({ preventScroll: true });
  if (part && part.leave) part.leave();
  part = null;
  if (shown === "dashboard") return draw();
  const name = shown;
  const section = at(name);
  section.classList.add("loading");
  try {
    const loaded = await load(name);
    if (name !== shown) return;
    if (section.children.length === 1) loaded.build(section);
    part = loaded;
  } catch (error) {
    section.classList.remove("loading");
    if (error instanceof Error) throw error;
    if (name !== shown) return;
    shown = null;
    return notice(error.message);
  }
  enter();
}

const began = Date.now();
addEventListener("hashchange", route);
document.addEventListener("visibilitychange", turn);
addEventListener("pagehide", stop);
addEventListener("pageshow", turn);
route();
readStatus();
// What is held fills the charts.
channel.postMessage({ me });
connectAt = Infinity;
poll(false).then(() => {
  connectAt = 0;
  turn();
});
setInterval(turn, TURN_MS);
delete sessionStorage.n;
