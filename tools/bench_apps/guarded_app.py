"""Limpet with the guards that every request of the shipped site passes: PORT FOLDER PATH MODE."""

import asyncio
import sys

from mark import mark

from firmware import App
from firmware.features import hosts, origins, ratelimit, requestid, security_headers
from firmware.features.log import Log

CONNECTIONS = 6

NAMES = ("192.168.4.1",)

app = App()
requestid.attach(app)
Log(lambda: 0).attach(app)
security_headers.protect(app)
# The browser asks without a pause: it gets no 429 here.
ratelimit.limit(app, 60000, 10000)
hosts.only_hosts(app, lambda: NAMES)
origins.protect(app)


@app.get("/api/status")
def status(request):
    return {"ok": True, "n": 1}


if sys.argv[4] == "garbage":
    import garbage

    garbage.attach(app)
app.static("/", sys.argv[2])
app.limits.connections = CONNECTIONS
asyncio.run(app.serve("127.0.0.1", int(sys.argv[1]), ready=lambda: mark("listening")))
