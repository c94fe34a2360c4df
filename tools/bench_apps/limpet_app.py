"""Limpet with one JSON endpoint, or what else PATH asks for, and files: PORT FOLDER PATH MODE [CONNECTIONS]."""

import sys

from mark import mark

from firmware import App
from firmware.server import static  # noqa: F401 - `app.static` would import it later, and its cost is asked for

# A board's; what it is on a laptop would measure a laptop's memory.
CONNECTIONS = 6

mark("imports")

app = App()


@app.get("/api/status")
def status(request):
    return {"ok": True, "n": 1}


if sys.argv[3].startswith("/more/"):
    import more

    more.attach(app, sys.argv[3])
if sys.argv[4] == "garbage":
    import garbage

    garbage.attach(app)
app.static("/", sys.argv[2])
app.limits.connections = int(sys.argv[5]) if len(sys.argv) > 5 else CONNECTIONS
mark("app")


async def main():
    await app.serve("127.0.0.1", int(sys.argv[1]), ready=lambda: mark("listening"))


import asyncio  # noqa: E402 - not before it was counted

asyncio.run(main())
