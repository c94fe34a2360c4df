new EventSource("api/sensor/events?since=0").onmessage = (event) => {
  document.getElementById("percent").textContent = JSON.parse(event.data).percent;
};
