const byId = (id) => document.getElementById(id);
let on = false;

async function show() {
  const told = await (await fetch("api/relay")).json();
  on = told.on;
  byId("state").textContent = on ? "on" : "off";
  byId("schedule").replaceChildren(...told.schedule.map((step) => {
    const row = document.createElement("li");
    const two = (number) => String(number).padStart(2, "0");
    row.textContent = `${two(Math.floor(step.minute / 60))}:${two(step.minute % 60)} UTC ${step.on ? "on" : "off"}`;
    return row;
  }));
}

byId("switch").onclick = async () => {
  await fetch("api/relay", {
    method: "PUT", headers: {"Content-Type": "application/json"}, body: JSON.stringify({on: !on}),
  });
  show();
};
show();
