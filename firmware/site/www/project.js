// The sensors of a project, on the dashboard.

import { at, call, Chart, charts } from "./app.js";

let building = null;

// `values`: of a reading, {name: value}.
export async function showSensors(second, values) {
  building ||= build().catch((error) => {
    building = null;
    throw error;
  });
  await building;
  for (const [name, value] of Object.entries(values)) {
    const chart = charts[`sensor-${name}`];
    if (chart) chart.least ||= Math.abs(value) / 20 || 1;
    chart?.add(second, value);
    if (chart && value === null) empty(chart);
  }
}

// What was read before is not what is now.
function empty(chart) {
  chart.points = [];
  const [now, range] = chart.element.querySelectorAll("p");
  now.textContent = "–";
  range.textContent = "No reading";
  for (const path of chart.element.querySelectorAll("path")) path.removeAttribute("d");
  for (const text of chart.plot.querySelectorAll("span")) text.textContent = "";
}

async function build() {
  const { sensors } = await call("GET", "api/project");
  for (const { name, title, unit } of sensors) {
    const id = `sensor-${name}`;
    const tile = at("temperature").cloneNode(true);
    tile.id = id;
    tile.hidden = false;
    tile.querySelector("figcaption").textContent = title;
    at("lamp").before(tile);
    const chart = charts[id] = new Chart(id, unit, 0, 0);
    chart.text = (value) => String(Number(value.toPrecision(4)));
    empty(chart);
  }
}
