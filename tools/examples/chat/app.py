"""A chat over WebSockets: what one writes all others see, and whoever comes sees the last words."""

import json

from firmware import App, Request
from firmware.features.feed import Feed
from firmware.server.websocket import WebSocket

MAX_CHARACTERS = 200

app = App()
messages = Feed(20)


@app.get("/api/messages")
def held(request: Request):
    """Return the last messages, the oldest first."""
    return {"messages": [value for _, value in messages.newer(0)]}


@app.websocket("/chat")
async def chat(request: Request, socket: WebSocket):
    """Take {"name", "text"} and send it to everybody, the sender too."""
    socket.follow(messages)
    async for message in socket:
        try:
            said = json.loads(message)
            name, text = str(said["name"]).strip(), str(said["text"]).strip()
        except (ValueError, KeyError, TypeError):
            await socket.send_json({"error": "Send an object with name and text."})
            continue
        if name and text:
            messages.publish({"name": name[:MAX_CHARACTERS], "text": text[:MAX_CHARACTERS]})
