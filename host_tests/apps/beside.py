"""A server with other things of the user's beside it: an echo on streams, a ticking task, clients on streams.

`echo=PORT` says where the echo listens, `hot=MS` how long MicroPython's loop stays hot.
"""

import asyncio
import time

from firmware import App
from firmware.server import transport
from host_tests.apps import start

if start.number("hot") is not None:
    transport.HOT_MS = start.number("hot")

HOST = start.option("host")
PORT = int(start.option("port"))
ECHO = start.number("echo")

app = App()
ticks = 0


async def tick():
    global ticks
    while True:
        await asyncio.sleep(0.01)
        ticks += 1


async def echo(reader, writer):
    while True:
        line = await reader.readline()
        if not line:
            break
        writer.write(b"echo " + line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def talk(port, data):
    """Return the first line that comes back, and all that follows it."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(data)
    await writer.drain()
    first = await reader.readline()
    rest = b""
    if port == PORT:
        while True:
            piece = await reader.read(1000)
            if not piece:
                break
            rest += piece
    writer.close()
    await writer.wait_closed()
    return first, rest


@app.get("/json")
def json(request):
    return {"hello": "world"}


@app.get("/ticks")
def count(request):
    return {"ticks": ticks}


@app.get("/echo/<word>")
async def ask_echo(request, word):
    first, _ = await talk(ECHO, word.encode() + b"\n")
    return {"echo": first.decode()}


@app.get("/self")
async def ask_self(request):
    """A request to this very server, while this one is answered."""
    first, rest = await talk(PORT, b"GET /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return {"first": first.decode(), "rest": rest.decode()}


@app.get("/many")
async def ask_many(request):
    lines = await asyncio.gather(*[talk(ECHO, b"%d\n" % number) for number in range(10)])
    return [first.decode() for first, _ in lines]


@app.get("/cancel")
async def cancel(request):
    """Cancel a task that waits in a stream; then use the stream."""
    reader, writer = await asyncio.open_connection(HOST, ECHO)

    async def wait():
        await reader.readline()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    task.cancel()
    try:
        await task
        ended = "it ended"
    except asyncio.CancelledError:
        ended = "cancelled"
    writer.write(b"still there\n")
    await writer.drain()
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return {"task": ended, "line": line.decode()}


@app.get("/nap")
async def nap(request):
    """How long a short sleep takes, right behind a request."""
    before = transport.ticks_ms()
    await asyncio.sleep(0.04)
    return {"ms": transport.ticks_ms() - before}


@app.get("/busy")
async def busy(request):
    """Tasks that are always ready do not starve anybody."""

    async def spin():
        for _ in range(300):
            await asyncio.sleep(0)

    await asyncio.gather(*[spin() for _ in range(3)])
    return {"done": True}


async def main():
    ticking = asyncio.create_task(tick())
    listening = await asyncio.start_server(echo, HOST, ECHO, backlog=20)
    await start.serve(app)
    ticking.cancel()
    listening.close()
    await listening.wait_closed()
    print("ended", time.time() > 0)


@app.get("/stop")
def stop(request):
    app.task.cancel()
    return {}


if __name__ == "__main__":
    asyncio.run(main())
