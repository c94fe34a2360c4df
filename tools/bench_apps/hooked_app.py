"""Limpet with one JSON endpoint and a hook that does nothing: PORT FOLDER PATH MODE."""

import asyncio
import sys

from mark import mark

from firmware import App

CONNECTIONS = 6

app = App()


@app.before
def nothing(request):
    pass


@app.get("/api/status")
def status(request):
    return {"ok": True, "n": 1}


app.limits.connections = CONNECTIONS
asyncio.run(app.serve("127.0.0.1", int(sys.argv[1]), ready=lambda: mark("listening")))
