"use strict";

const POLL_MS = 2000;
const PATIENCE_MS = 5000;
const COUNTERS = ["requests", "accepted", "refused", "evicted", "timeouts", "lost", "errors"];

const at = (id) => document.getElementById(id);
const show = (id, text) => { at(id).textContent = text; };

// Answers {status, ok, content}; rejects when there is no answer in time.
async function call(method, path, body) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const headers = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: patience.signal });
    const text = await response.text();
    const isJSON = /json/.test(response.headers.get("Content-Type"));
    return { status: response.status, ok: response.ok, content: isJSON ? JSON.parse(text) : {} };
  } finally {
    clearTimeout(timer);
  }
}

function reasonOf(answer) {
  const error = answer.content.error || {};
  return error.detail || error.reason || `The server answered ${answer.status}.`;
}

const NO_ANSWER = "The server does not answer.";

// Status

let live = null;
let lastSeen = null;
let timer = 0;

function showLink(isLive) {
  document.body.className = isLive ? "live" : "stale";
  const since = lastSeen ? `, last seen ${lastSeen.toLocaleTimeString()}` : "";
  if (isLive !== live) show("link", isLive ? "live" : `no answer${since}`);
  if (isLive && !live) loadUsers();
  live = isLive;
  at("led").disabled = !isLive;
}

function duration(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = Math.max(0, parts.findIndex(([size]) => seconds >= size));
  if (seconds < 1) return "0 s";
  return parts.slice(first, first + 2)
    .map(([size, unit], i) => [Math.floor((i ? seconds % parts[first][0] : seconds) / size), unit].join(" "))
    .join(" ");
}

function showStatus(status) {
  const { firmware, python, heap, idf_heap: idf, connections, temperature_c: celsius } = status;
  show("about", `${firmware.version} · ${python.implementation} ${python.version} · ${status.board} board`);
  show("temperature", celsius === null ? "–" : `${celsius.toFixed(1)} °C`);
  show("uptime", duration(status.uptime_s));
  const free = [heap.free, idf && idf.free].filter((bytes) => bytes !== null);
  show("memory", free.map((bytes) => `${Math.round(bytes / 1024)} KiB`).join(" + ") || "–");
  for (const name of COUNTERS) show(name, connections[name]);
  show("open", `${connections.open} of ${connections.limit}`);
  showLED(status.led.on);
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  let isLive = false;
  try {
    const answer = await call("GET", "api/status");
    if (answer.ok) {
      showStatus(answer.content);
      lastSeen = new Date();
      isLive = true;
    }
  } catch {}
  showLink(isLive);
  clearTimeout(timer);
  timer = setTimeout(poll, POLL_MS);
}

// LED

let switching = 0;

function showLED(on) {
  if (!switching) at("led").setAttribute("aria-checked", on);
}

at("led").addEventListener("click", async () => {
  const on = at("led").getAttribute("aria-checked") !== "true";
  let answer;
  switching += 1;
  try {
    answer = await call("PUT", "api/led", { on });
    show("led-error", answer.ok ? "" : reasonOf(answer));
  } catch {
    show("led-error", NO_ANSWER);
  }
  switching -= 1;
  if (answer && answer.ok) showLED(answer.content.on);
});

// Users

async function loadUsers() {
  try {
    const answer = await call("GET", "users");
    if (!answer.ok) throw answer;
    at("users").replaceChildren(...answer.content.users.map(userItem));
    at("nobody").hidden = answer.content.users.length > 0;
    show("users-error", "");
  } catch (answer) {
    show("users-error", answer.content ? reasonOf(answer) : NO_ANSWER);
  }
}

function userItem(user) {
  const item = document.createElement("li");
  const text = document.createElement("div");
  const email = document.createElement("div");
  const button = document.createElement("button");
  email.textContent = user.email;
  email.className = "quiet";
  text.append(user.name, email);
  button.textContent = "Delete";
  button.setAttribute("aria-label", `Delete ${user.name}`);
  button.addEventListener("click", () => deleteUser(user, button));
  item.append(text, button);
  return item;
}

async function deleteUser(user, button) {
  button.disabled = true;
  try {
    const answer = await call("DELETE", `users/${user.id}`);
    if (answer.ok || answer.status === 404) {
      await loadUsers();
      at("name").focus();
      return;
    }
    show("users-error", reasonOf(answer));
  } catch {
    show("users-error", NO_ANSWER);
  }
  button.disabled = false;
}

at("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await call("POST", "users", Object.fromEntries(new FormData(form)));
    const wrong = answer.ok ? {} : (answer.content.error || {}).fields || {};
    for (const input of form.querySelectorAll("input")) {
      show(`${input.name}-error`, wrong[input.name] || "");
      input.setAttribute("aria-invalid", input.name in wrong);
    }
    const first = form.querySelector("[aria-invalid=true]");
    if (first) first.focus();
    show("users-error", answer.ok || first ? "" : reasonOf(answer));
    if (answer.ok) {
      form.reset();
      await loadUsers();
      at("name").focus();
    }
  } catch {
    show("users-error", NO_ANSWER);
  }
  button.disabled = false;
});

document.addEventListener("visibilitychange", poll);
poll();
