const held = [];

new EventSource("api/samples/events?since=0").onmessage = (event) => {
  held.push(JSON.parse(event.data).free_kb);
  if (held.length > 60) held.shift();
  const most = Math.max(...held, 1);
  const points = held.map((value, at) => `${at},${100 - (value * 90) / most}`);
  document.getElementById("line").setAttribute("points", points.join(" "));
  document.getElementById("now").textContent = held[held.length - 1];
};
