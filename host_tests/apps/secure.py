"""The application of `kitchen` behind TLS, its certificate in the data's folder.

`redirect=PORT` is the plain port; with `files=N` so many files stay open.
"""

import asyncio

from firmware.features.tls import Context
from host_tests.apps import start
from host_tests.apps.kitchen import app


@app.websocket("/ws")
async def echo(request, socket):
    async for message in socket:
        await socket.send(message)


@app.websocket("/ws/slow")
async def slow(request, socket):
    """Take nothing for a while."""
    await asyncio.sleep(5)


@app.get("/rows")
def rows(request):
    for number in range(1000):
        yield b"%d\n" % number


async def main():
    files = [open("/dev/null") for _ in range(start.number("files") or 0)]  # noqa: SIM115, F841
    start.set_limits(app)
    context = Context(start.option("data"))
    await app.serve(start.option("host"), int(start.option("port")), None, context, start.number("redirect"))


asyncio.run(main())
