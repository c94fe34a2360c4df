"""An application of all that goes on for long: streams, feeds, WebSockets, uploads; `/state` tells what became of them.

What a generator or handler notes under its name, tests wait for: how far it got, and that its `finally` ran. "hooked"
adds hooks that count.
"""

import asyncio
import gc
import hashlib

from firmware import App, HTTPError, Response
from firmware.features.feed import Feed
from firmware.features.sse import encode
from firmware.server.slot import AWAITING, LIVE, POLL
from host_tests.apps import start

app = App()
notes = {}  # name to what happened
doors = {}
feeds = {}
BLOCK = bytes(range(256)) * 4
KINDS = ("text ü\n", b"bytes\n", bytearray(b"bytearray\n"), memoryview(b"memoryview\n"), "", b"", "end")
NAMES = {AWAITING: "awaiting", LIVE: "live", POLL: "poll"}


def note(name, what, value=True):
    notes.setdefault(name, {})[what] = value
    if what == "ended" and name.startswith("stop"):
        print("ended")


def count(name):
    noted = notes.setdefault(name, {})
    noted["count"] = noted.get("count", 0) + 1


def door(name):
    if name not in doors:
        doors[name] = asyncio.Event()
    return doors[name]


def pattern(size, block=BLOCK):
    """Yield the bytes of BLOCK again and again, up to `size`."""
    while size > 0:
        yield block[:size]
        size -= len(block)


# -- how the server is


@app.get("/json")
def json(request):
    return {"hello": "world"}


@app.get("/state")
def state(request):
    gc.collect()
    server = app.server
    taken = [slot for slot in server.slots if slot.sock]
    return {
        "busy": len(taken),
        "live": server.live,
        "wants": sorted(NAMES.get(slot.state, "other") for slot in taken),
        "counters": server.counters,
        "clock": server.clock,
        "watchers": sum(len(feed._watchers) for feed in feeds.values()),
        "tasks": len(asyncio.all_tasks()) if hasattr(asyncio, "all_tasks") else None,
        "heap": gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0,
    }


@app.get("/stop")
def stop(request):
    app.task.cancel()
    return {"stopping": True}


@app.get("/notes/<name>")
def noted(request, name):
    return notes.get(name, {})


@app.get("/open/<name>")
def open_door(request, name):
    door(name).set()
    return {}


@app.get("/sleep/<int:duration_ms>")
async def sleep(request, duration_ms):
    await asyncio.sleep(duration_ms / 1000)
    return {"slept": duration_ms}


# -- streams


@app.get("/stream/plain/<int:n>")
def plain(request, n):
    for at in range(n):
        yield "line %d\n" % at


@app.get("/stream/async/<int:n>")
async def later(request, n):
    for at in range(n):
        await asyncio.sleep(0)
        yield b"line %d\n" % at


@app.get("/stream/handler/<int:n>")
async def returned_later(request, n):
    await asyncio.sleep(0)
    return later(request, n), 201, {"X-Kind": "stream", "Content-Type": "text/csv"}


@app.get("/stream/kinds")
def kinds(request):
    yield from KINDS


@app.get("/stream/kinds/async")
async def kinds_later(request):
    for chunk in KINDS:
        yield chunk
        await asyncio.sleep(0)


@app.get("/stream/iterator")
def iterator(request):
    return Response(iter(["a", b"b", "c"]))


@app.get("/stream/nothing")
def nothing(request):
    return (chunk for chunk in ())


@app.get("/stream/nothing/response")
def nothing_in_response(request):
    return Response(chunk for chunk in ())


@app.get("/stream/nothing/async")
async def nothing_later(request):
    await asyncio.sleep(0)
    for chunk in ():
        yield chunk


@app.get("/stream/blocks/<int:size>")
def blocks(request, size):
    return pattern(size)


@app.get("/stream/huge/<int:size>")
def huge(request, size):
    yield b"".join(pattern(size))
    yield bytearray(b"end")


class Counted:
    """An iterator of each protocol that notes its end."""

    def __init__(self, name):
        self.name = name
        self.left = 3

    def close(self):
        note(self.name, "closed")


class CountedNext(Counted):
    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return "x"


class CountedNextLater(Counted):
    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return "x"


@app.get("/stream/object/<name>")
def of_object(request, name):
    return Response(CountedNext(name))


@app.get("/stream/object/async/<name>")
def of_object_later(request, name):
    return Response(CountedNextLater(name))


@app.get("/stream/endless/<name>")
def endless(request, name):
    try:
        while True:
            count(name)
            yield BLOCK
    finally:
        note(name, "ended")


@app.get("/stream/endless/async/<name>")
async def endless_later(request, name):
    try:
        while True:
            count(name)
            yield BLOCK
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
        note(name, "ended", request.path)


@app.get("/stream/wait/<name>")
async def wait(request, name):
    try:
        note(name, "begun")
        yield "first\n"
        await door(name).wait()
        yield "second\n"
    finally:
        note(name, "ended", request.path)


@app.get("/stream/wait/first/<name>")
async def wait_first(request, name):
    try:
        note(name, "begun")
        await door(name).wait()
        yield "first\n"
    finally:
        note(name, "ended", request.path)


@app.get("/stream/wait/end/<name>")
async def wait_at_the_end(request, name):
    try:
        yield "first\n"
        await door(name).wait()
    finally:
        # Not even a second cancel takes this from it.
        try:
            await asyncio.sleep(0.05)
        finally:
            note(name, "ended", request.path)


@app.get("/stream/stubborn/<name>")
async def stubborn(request, name):
    """Hold on although it is told to stop."""
    try:
        yield "first\n"
        while not door(name).is_set():
            try:
                await door(name).wait()
            except asyncio.CancelledError:
                count(name)
    finally:
        note(name, "ended")


FAILURES = {
    "error": lambda: ValueError("it went wrong"),
    "http": lambda: HTTPError(404, "No such thing.", {"X-Why": "because"}),
    "lost": lambda: OSError(32),
    "cancelled": lambda: asyncio.CancelledError(),
    "memory": lambda: MemoryError(),
}


@app.get("/stream/fail/<int:chunks>/<kind>/<name>")
def fail(request, chunks, kind, name):
    try:
        for _ in range(chunks):
            yield "chunk\n"
        raise FAILURES[kind]()
    finally:
        note(name, "ended")


@app.get("/stream/fail/async/<int:chunks>/<kind>/<name>")
async def fail_later(request, chunks, kind, name):
    try:
        for _ in range(chunks):
            yield "chunk\n"
            await asyncio.sleep(0)
        raise FAILURES[kind]()
    finally:
        note(name, "ended")


@app.get("/stream/odd/<int:chunks>/<name>")
def odd(request, chunks, name):
    try:
        for _ in range(chunks):
            yield "chunk\n"
        yield 5
    finally:
        note(name, "ended")


@app.get("/stream/head/<name>")
def bad_head(request, name):
    return endless(request, name), 200, {"X": "two\r\nlines"}


@app.get("/stream/status/<int:status>/<name>")
def with_status(request, status, name):
    return endless(request, name), status


# -- feeds


def feed_of(name):
    if name not in feeds:
        feeds[name] = Feed(start.number("ring") or 8, 100 if name == "goes-on" else 0)
    return feeds[name]


@app.post("/feed/<name>")
def publish(request, name):
    """Publish the JSON body, `?times=N` times, as the event `?event=`."""
    feed = feed_of(name)
    for _ in range(request.args.get("times", 1, int)):
        feed.publish(request.json, request.args.get("event"))
    return {"last": feed.last, "first": feed.first}


@app.post("/feed/<name>/texts")
def publish_texts(request, name):
    for value in request.json:
        feed_of(name).publish(value)
    return {"last": feed_of(name).last}


NO_JSON = {"nan": float("nan"), "infinity": [1e999], "object": object(), "set": {1}, "surrogate": {"a": chr(0xD800)}}


@app.post("/feed/<name>/odd/<kind>")
def publish_odd(request, name, kind):
    """Publish what JSON has no form for."""
    try:
        return {"last": feed_of(name).publish(NO_JSON[kind])}
    except (TypeError, ValueError):
        return {"refused": True}


@app.get("/feed/<name>")
def newer(request, name):
    return {"last": feed_of(name).last, "newer": feed_of(name).newer(request.args.get("since", 0, int))}


@app.get("/feed/<name>/events")
def events(request, name):
    return feed_of(name).events(request)


@app.get("/feed/<name>/poll")
def poll(request, name):
    return feed_of(name).poll(request)


@app.get("/feed/<name>/poll/own")
async def poll_own(request, name):
    await asyncio.sleep(0)
    return feed_of(name).poll(request, lambda newer: (b"%d newer" % len(newer), 200, {"X-Own": "yes"}))


@app.get("/events/own")
def own_events(request):
    def body():
        yield encode("one\ntwo\r\nthree\rfour", "named", 7)
        yield encode("", id="x")
        yield encode(b"last")

    return Response(body(), 200, None, "text/event-stream")


# -- bodies of any size


@app.route("/hash", ("POST", "PUT"), stream=True)
async def digest(request):
    sha256 = hashlib.sha256()
    size = 0
    async for part in request.stream():
        sha256.update(part)
        size += len(part)
    return {"size": size, "sha256": "".join("%02x" % byte for byte in sha256.digest())}


@app.put("/parts", stream=True)
async def parts(request):
    """Return in how many parts a body came."""
    count = 0
    async for _ in request.stream():
        count += 1
    return {"parts": count}


@app.put("/put/unread/<name>", stream=True)
async def unread(request, name):
    note(name, "begun")
    return {"read": 0}


def at_once(result):
    """Return a plain handler, as a decorator's is, that answers without a look at the body."""

    def unread(request, name):
        note(name, "begun")
        return result

    return unread


app.put("/put/unread/plain/<name>", stream=True)(at_once({"read": 0}))


@app.put("/put/refused", stream=True)
async def refused(request):
    raise HTTPError(403, "Not here.")


@app.put("/put/some/<int:size>", stream=True)
async def some(request, size):
    read = b""
    async for part in request.stream():
        read += bytes(part)
        if len(read) >= size:
            break
    return read[:size]


@app.put("/put/failing/<int:size>", stream=True)
async def failing_upload(request, size):
    read = 0
    async for part in request.stream():
        read += len(part)
        if read >= size:
            raise ValueError("it went wrong in the middle")
    return {"read": read}


@app.put("/put/slow/<name>", stream=True)
async def slow_upload(request, name):
    size = 0
    try:
        async for part in request.stream():
            note(name, "begun")
            await door(name).wait()
            size += len(part)
            note(name, "size", size)
        note(name, "done")
        return {"size": size}
    finally:
        note(name, "ended", type(request.method) is str)


@app.put("/put/twice", stream=True)
async def twice(request):
    sizes = []
    for _ in range(2):
        size = 0
        async for part in request.stream():
            size += len(part)
        sizes.append(size)
    return sizes


@app.put("/put/back", stream=True)
async def back(request):
    """Answer with a stream of what comes."""
    async for part in request.stream():
        yield bytes(part)


@app.put("/put/back/whole", stream=True)
async def back_whole(request):
    whole = b""
    async for part in request.stream():
        whole += bytes(part)
    return whole


# -- WebSockets


async def echo(request, socket):
    async for message in socket:
        await socket.send(message)


app.websocket("/ws/echo")(echo)
app.websocket("/ws/protocols", protocols=("chat", "superchat"))(echo)
app.websocket("/ws/origins", origins=("https://friend.example",))(echo)


@app.websocket("/ws/noted/<name>")
async def ws_noted(request, socket, name):
    """Echo, and note how it ended."""
    note(name, "begun", socket.protocol)
    try:
        async for message in socket:
            count(name)
            await socket.send(message)
        note(name, "after", socket.code)
    finally:
        note(name, "ended", socket.code)


@app.websocket("/ws/slow/<name>")
async def ws_slow(request, socket, name):
    try:
        async for message in socket:
            count(name)
            await door(name).wait()
            await socket.send(message)
    finally:
        note(name, "ended", socket.code)


@app.websocket("/ws/deaf/<name>")
async def ws_deaf(request, socket, name):
    """Never ask for a message."""
    try:
        note(name, "begun")
        await door(name).wait()
        note(name, "message", await socket.receive())
    finally:
        note(name, "ended", socket.code)


@app.websocket("/ws/fail/<name>")
async def ws_fail(request, socket, name):
    try:
        await socket.send("before")
        if name != "at once":
            await socket.receive()
        raise ValueError("it went wrong")
    finally:
        note(name, "ended", socket.code)


@app.websocket("/ws/first")
async def ws_first(request, socket):
    await socket.send(await socket.receive())


@app.websocket("/ws/nothing")
async def ws_nothing(request, socket):
    pass


@app.websocket("/ws/close/<int:code>/<name>")
async def ws_close(request, socket, code, name):
    await socket.close(code, "bye ü")
    note(name, "received", await socket.receive())
    try:
        await socket.send("late")
    except Exception as error:
        note(name, "error", type(error).__name__)
    await socket.close(1000)
    note(name, "ended", socket.code)


@app.websocket("/ws/push/<int:n>/<int:size>")
async def ws_push(request, socket, n, size):
    for at in range(n):
        await socket.send(b"".join(pattern(size)) if size else "%d" % at)


@app.websocket("/ws/endless/<name>")
async def ws_endless(request, socket, name):
    try:
        while True:
            await socket.send(BLOCK)
            count(name)
    finally:
        note(name, "ended", socket.code)


@app.websocket("/ws/chorus/<int:singers>/<int:n>/<int:size>")
async def ws_chorus(request, socket, singers, n, size):
    """Send from several tasks at once."""

    async def sing(voice):
        for at in range(n):
            await socket.send("%d %d %s" % (voice, at, str(voice) * size))

    await asyncio.gather(*[sing(voice) for voice in range(singers)])


@app.websocket("/ws/feed/<name>")
async def ws_feed(request, socket, name):
    try:
        socket.follow(feed_of(name))
        note(name, "followers", notes.get(name, {}).get("followers", 0) + 1)
        async for message in socket:
            feed_of(name).publish(message)
    finally:
        note(name, "ended", socket.code)


# -- hooks

if "hooked" in start.words():

    @app.before
    def see_request(request):
        count("before")
        request.seen = request.path

    @app.after
    async def see_response(request, response):
        await asyncio.sleep(0)
        response.set_header("X-After", "seen")
        if request.path.startswith("/stream/plain/99"):
            return {"instead": True}

    @app.done
    def see_end(request, response):
        note("done", request.path if request else "none", response.sent)


if __name__ == "__main__":
    start.run(app)
