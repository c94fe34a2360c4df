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

// Returns JSON or text; throws {status, message, fields}, with status 0 for no answer.
export async function call(method, path, body) {
  for (let tries = 1; ; tries += 1) {
    let response, content;
    try {
      const headers = { Accept: "application/json" };
      if (body) headers["Content-Type"] = "application/json";
      const signal = AbortSignal.timeout(PATIENCE_MS);
      response = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
      content = await response.text();
      if (content && /json$/.test(response.headers.get("Content-Type"))) content = JSON.parse(content);
    } catch {
      throw { status: 0, message: "The board does not answer.", fields: {} };
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
  if (isOut && shown === "settings") enter();
  const message = isOut ? "Log in first, under Settings." : detail || reason || `The board answered ${status}.`;
  return { status, message, fields };
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
const LEAST_SPAN_S = 20;

class Chart {
  // `least`: what the height shows, of the unit; `scale`: of what comes.
  constructor(id, unit, digits, least, scale = 1) {
    this.element = at(id);
    this.text = (value) => value.toFixed(digits);
    Object.assign(this, { unit: unit && ` ${unit}`, points: [], least, scale });
  }

  add(second, value) {
    if (typeof value !== "number") return;
    const newest = this.points.at(-1);
    if (newest && second < newest[0]) this.points = [];
    this.points.push([second, value * this.scale]);
    while (this.points[0][0] < second - SPAN_S) this.points.shift();
  }

  draw() {
    if (!this.points.length) return;
    const [last, value] = this.points.at(-1);
    const values = this.points.map((point) => point[1]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const span = Math.max(high - low, this.least);
    const bottom = Math.max((low + high - span) / 2, Math.min(0, low));
    const seconds = Math.max(last - this.points[0][0], LEAST_SPAN_S);
    const place = ([second, y]) =>
      `${(97 - (last - second) * 97 / seconds).toFixed(1)} ${(36 - (y - bottom) * 32 / span).toFixed(1)}`;
    const line = this.points.map(place).join("L");
    const [area, curve, dot] = this.element.querySelectorAll("path");
    area.setAttribute("d", `M${line}V40H${line.split(" ")[0]}z`);
    curve.setAttribute("d", `M${line}`);
    dot.setAttribute("d", `M${place([last, value])}h0`);
    const range = `${this.text(low)} to ${this.text(high)}${this.unit}`;
    this.element.querySelector(".value").textContent = this.text(value) + this.unit;
    this.element.querySelector(".range").textContent = range;
    this.element.querySelector("svg").setAttribute("aria-label", `In the last two minutes: ${range}`);
  }
}

const charts = {
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
  showLED(reading.led);
  showPins(reading.pins, reading.pins_version);
  if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; draw(); });
}

let drawing = 0;

const NONE = { heap_free: "Only on MicroPython", idf_free: "Only on an ESP32", rssi_dbm: "No Wi-Fi here" };

function showStatus(status) {
  const { firmware, python, boot, wifi, connections } = status;
  hostname = wifi && wifi.hostname || status.hostname || firmware.name;
  show("name", hostname);
  show("about", `${firmware.name} ${firmware.version} · ${python.implementation} ${python.version} · ${status.board}`);
  show("address", wifi && wifi.address || location.hostname);
  show("network", wifi ? wifi.ssid || wifi.state : "this computer's");
  const crash = boot.last_crash ? `; last crash: ${boot.last_crash}` : "";
  show("boot", `${boot.reset_cause}${boot.safe_mode ? ", safe mode" : ""}${crash}`);
  show("open", `${connections.open} of ${connections.limit}`);
  for (const name of ["refused", "timeouts", "lost", "errors"]) show(name, connections[name]);
  for (const [id, text] of Object.entries(NONE)) {
    if (!charts[id].points.length) charts[id].element.querySelector(".range").textContent = text;
  }
  nameTab();
  draw();
}

// -- the LED, and the pins where the settings have any

async function showPins(values, version) {
  at("pins").hidden = !values;
  try {
    if (values) await (await import("./pins.js")).showValues(values, version);
  } catch {} // refused for the moment: the next reading asks again
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

const TURN_MS = 1000;
const STALE_MS = 4000; // a reading comes every second
const AGAIN_MS = 2000; // between attempts to connect
const FULL_MS = 10000; // where all places are taken
const STATUS_MS = 10000; // what readings do not tell
const REPLAY_MS = 700; // sooner is old

const me = Math.random();
// One tab of a browser listens, and tells the others.
const channel = new BroadcastChannel("limpet");

let source = null;
let latest = null;
let last = 0; // the number of the newest reading
let newest = -1; // and its second
let seen = 0; // when the board was last heard
let heard = 0; // and another tab
let connectAt = 0;
let statusAt = 0;
let isFull = false;
let live = null;

function take(number, reading) {
  seen = Date.now();
  if (reading.uptime_s < newest - 2) last = 0; // the board started anew
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
  const began = Date.now();
  const mine = source = new EventSource(`api/events?since=${last}`);
  mine.onmessage = (event) => {
    const number = Number(event.lastEventId);
    const reading = JSON.parse(event.data);
    isFull = false;
    take(number, reading);
    latest = { me, number, reading };
    if (seen - began > REPLAY_MS) channel.postMessage(latest);
    if (!live) turn();
  };
  mine.onerror = () => {
    mine.close();
    if (source !== mine) return;
    source = null;
    connectAt = Date.now() + AGAIN_MS;
    poll(true);
  };
}

// Asks for what is new; `isRefused`: the board would not send it by itself.
async function poll(isRefused = isFull) {
  try {
    const response = await fetch(`api/readings?since=${last}`, { signal: AbortSignal.timeout(STALE_MS) });
    if (response.ok) {
      seen = Date.now();
      if (isRefused && !isFull) connectAt = seen + FULL_MS;
      isFull = isRefused;
      const { last: number, values } = response.status === 200 ? await response.json() : { last, values: [] };
      values.forEach((reading, i) => take(number - values.length + i + 1, reading));
    } else isFull = false;
  } catch {
    isFull = false;
  }
  turn();
}

async function readStatus() {
  statusAt = Date.now() + STATUS_MS;
  try {
    showStatus(await call("GET", "api/status"));
    seen = Date.now();
  } catch {} // what is stale says so
}

function turn() {
  const now = Date.now();
  const isLive = now - seen < STALE_MS;
  if (isLive !== live && (isLive || now - began > STALE_MS)) {
    const since = seen ? ` since ${new Date(seen).toLocaleTimeString()}` : "";
    show("link", isLive ? "live" : `no answer${since}`);
    document.body.className = isLive ? "live" : "stale";
    at("led").disabled = at("pins").disabled = !isLive;
    if (isLive && live === false) {
      statusAt = 0;
      enter(true);
    }
    live = isLive;
  }
  if (document.hidden) return stop(); // places are few
  if (isLive && now >= statusAt) readStatus();
  if (source && now - seen > 2 * STALE_MS && now - connectAt > 2 * STALE_MS) stop();
  if (source || now - heard < AGAIN_MS) return;
  if (now >= connectAt) {
    connectAt = now;
    listen();
  } else if (isFull && now - seen > AGAIN_MS / 2) poll();
}

let shown = null;
let part = null;
let hostname = "Limpet";

function nameTab() {
  const link = document.querySelector("nav [aria-current]");
  document.title = `${link.textContent} · ${hostname}`;
}

// `isAgain`: the board is back; what somebody is typing shall stay.
async function enter(isAgain) {
  if (part) await attempt(() => part.enter(at(shown), isAgain));
  else route();
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
  try {
    let loaded;
    for (let tries = 1; !loaded; tries += 1) {
      loaded = await import(`./${name}.js`).catch((error) => {
        if (tries === BUSY_TRIES) throw error;
        return pause(BUSY_MS * tries);
      });
    }
    if (name !== shown) return;
    const section = at(name);
    if (section.children.length === 1) loaded.build(section);
    part = loaded;
  } catch {
    if (name !== shown) return;
    shown = null;
    return notice("The board does not answer.");
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
delete sessionStorage.n; // of index.html
