const byId = (id) => document.getElementById(id);

function add(message) {
  const row = document.createElement("li");
  row.textContent = `${message.name}: ${message.text}`;
  byId("messages").append(row);
}

for (const message of (await (await fetch("api/messages")).json()).messages) add(message);
const socket = new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/chat`);
socket.onmessage = (event) => {
  const message = JSON.parse(event.data);
  if (message.name) add(message);
};
byId("form").onsubmit = (event) => {
  event.preventDefault();
  socket.send(JSON.stringify({name: byId("name").value, text: byId("text").value}));
  byId("text").value = "";
};
