// The pins of the settings.

import { at, call, make, pause, show } from "./app.js";

const PACE_MS = 150; // a board answers ten requests a second for long

let rows = {}; // by number
let built; // the version that they are of
let building = null;

// `values`: of a reading, {number: value}; another `version`: names and modes may be others.
export async function showValues(values, version) {
  if (version !== built) {
    building ||= build().finally(() => { building = null; });
    await building;
  }
  for (const [number, value] of Object.entries(values)) {
    const row = rows[number];
    if (!row) continue;
    row.value = value;
    if (!row.isBusy) row.draw(value);
  }
}

async function build() {
  const { pins, version } = await call("GET", "api/pins");
  built = version;
  rows = {};
  at("pin-list").replaceChildren(...pins.map(item));
}

function item(pin) {
  const row = { ...pin, isBusy: false, wanted: null };
  const label = pin.name;
  const state = make("span", { className: "state" });
  let control = "";
  if (pin.mode === "pwm") {
    control = make("input", { type: "range", "aria-label": label, oninput: () => set(row, Number(control.value)) });
  } else if (pin.mode === "output") {
    control = make("button", { type: "button", className: "switch", role: "switch", "aria-label": label });
    control.onclick = () => set(row, Number(control.getAttribute("aria-checked") !== "true"));
  }
  if (control) control.disabled = Boolean(pin.error);
  row.draw = (value) => {
    state.textContent = value === null ? "–" : pin.mode === "pwm" ? `${value} %` : value ? "on" : "off";
    if (pin.mode === "pwm") control.value = value;
    else if (control) control.setAttribute("aria-checked", Boolean(value));
  };
  row.draw(pin.value);
  rows[pin.number] = row;
  return make("li", {}, make("div", { className: "wide" }, label, " ",
    make("span", { className: pin.error ? "error" : "quiet" }, pin.error || `GPIO ${pin.number}`)), control, state);
}

// A slider is faster than a board: what it passes meanwhile is left out.
async function set(row, value) {
  row.draw(value);
  row.wanted = value;
  if (row.isBusy) return;
  row.isBusy = true;
  try {
    while (row.wanted !== null) {
      value = row.wanted;
      row.wanted = null;
      const pin = await call("PUT", `api/pins/${row.number}`, { value });
      row.value = pin.value;
      show("pin-error", "");
      await pause(PACE_MS);
    }
  } catch (error) {
    row.wanted = null;
    show("pin-error", error.message);
  }
  row.isBusy = false;
  row.draw(row.value);
}
