"""An application with something of everything, for the tests of protocol and robustness.

With the word "hooked" it has hooks that do nothing: all requests go the longer way.
"""

import asyncio
import gc
import time

from firmware import App, HTTPError, Response
from firmware.server.slot import WRITE
from host_tests.apps import start

app = App()
seen = 0  # bodies that /echo was given, for tests of what must not get so far
PATTERN = bytes(range(256)) * 4


def pattern(size):
    """Return `size` bytes in which none can be lost unnoticed; the tests make the same."""
    block = PATTERN + b"%d" % size
    whole = bytearray(size)
    for at in range(0, size, len(block)):
        part = block[: size - at]
        whole[at : at + len(part)] = part
    return whole


@app.get("/json")
def json(request):
    return {"hello": "world"}


@app.get("/text")
def text(request):
    return "<p>grüß Gott"


@app.get("/bytes")
def octets(request):
    return b"\x00\xff"


@app.get("/list")
def array(request):
    return [1, "two", None]


@app.get("/none")
def none(request):
    return None


@app.get("/empty")
def empty(request):
    return b""


@app.get("/created")
def created(request):
    return {"id": 7}, 201, {"Location": "/things/7"}


@app.get("/status/<int:status>")
def status(request, status):
    return b"body", status


@app.get("/typed")
def typed(request):
    return "a,b\r\n", 200, {"Content-Type": "text/csv"}


@app.get("/typed/lower")
def typed_lower(request):
    return {"a": 1}, 200, {"content-type": "application/problem+json"}


@app.get("/twice")
def twice(request):
    return "x", 200, {"Set-Cookie": ["a=b", "c=d"], "X-Number": 5}


@app.get("/size/<int:size>")
def size(request, size):
    return pattern(size)


@app.get("/jsonsize/<int:size>")
def json_size(request, size):
    return {"x": "y" * size}


@app.get("/async")
async def later(request):
    await asyncio.sleep(0)
    return {"path": request.path}


@app.get("/async/<int:turns>")
async def later_still(request, turns):
    for _ in range(turns):
        await asyncio.sleep(0)
    return {"path": request.path, "agent": request.headers.get("user-agent")}


@app.get("/block/<int:duration_ms>")
def block(request, duration_ms):
    """Keep the loop from doing anything else."""
    time.sleep(duration_ms / 1000)
    return {}


@app.get("/sleep/<int:duration_ms>")
async def sleep(request, duration_ms):
    await asyncio.sleep(duration_ms / 1000)
    return {"slept": duration_ms}


# -- what requests say


@app.route("/echo", ("POST", "PUT", "PATCH"))
def echo(request):
    global seen
    seen += 1
    return request.body


@app.post("/echo/async")
async def echo_later(request):
    await asyncio.sleep(0)
    return request.body


@app.post("/echo/json")
def echo_json(request):
    return {"json": request.json}


@app.get("/fields")
def fields(request):
    return [list(item) for item in request.headers.items()]


@app.get("/field/<name>")
def field(request, name):
    headers = request.headers
    answer = {"get": headers.get(name), "default": headers.get(name, "none"), "in": name in headers}
    try:
        answer["item"] = headers[name]
    except KeyError:
        answer["item"] = "KeyError"
    return answer


@app.get("/target")
@app.get("/target/<path:rest>")
def target(request, rest=None):
    return {
        "method": request.method,
        "path": request.path,
        "target": request.target.decode(),
        "query": request.query.decode(),
        "args": [list(pair) for pair in request.args.items()],
        "rest": rest,
        "params": request.params,
    }


@app.get("/careless/<name>")
def careless(request, name):
    request.params.clear()
    return {"name": name}


# -- what goes wrong


@app.get("/raise")
def fail(request):
    raise ValueError("it went wrong")


@app.get("/raise/async")
async def fail_later(request):
    await asyncio.sleep(0)
    raise ValueError("it went wrong later")


@app.get("/raise/cancelled")
async def cancelled(request):
    raise asyncio.CancelledError


@app.get("/raise/oserror")
def fail_to_open(request):
    open("/no such file")  # noqa: SIM115


@app.get("/raise/text")
def fail_in_words(request):
    raise ValueError("→ \ud800")


@app.get("/error/<int:status>")
def error(request, status):
    raise HTTPError(status, "It is <b>so</b> & not else.", {"X-Why": "because"})


class Odd:
    pass


JUNK = {
    "int": lambda: 5,
    "float": lambda: 1.5,
    "true": lambda: True,
    "object": Odd,
    "class": lambda: Odd,
    "set": lambda: {1, 2},
    "function": lambda: pattern,
    "tuple of five": lambda: (b"", 200, {}, "text/plain", 5),
    "generator of numbers": lambda: (part for part in (1, 2)),
    "status of text": lambda: ("x", "200"),
    "status none": lambda: ("x", None),
    "status 0": lambda: ("x", 0),
    "status 99": lambda: ("x", 99),
    "status 1000": lambda: ("x", 1000),
    "status negative": lambda: ("x", -200),
    "status 100": lambda: ("x", 100),
    "status of two lines": lambda: ("x", "200 OK\r\nInjected: 1\r\n"),
    "fields in a list": lambda: ("x", 200, [("a", "b")]),
    "fields in text": lambda: ("x", 200, "a: b"),
    "field of two lines": lambda: ("x", 200, {"a": "b\r\nInjected: 1"}),
    "field with LF": lambda: ("x", 200, {"a": "b\nInjected: 1"}),
    "field with CR": lambda: ("x", 200, {"a": "b\rInjected: 1"}),
    "field with NUL": lambda: ("x", 200, {"a": "b\x00"}),
    "field in a list": lambda: ("x", 200, {"a": ["b", "c\r\nInjected: 1"]}),
    "name of two lines": lambda: ("x", 200, {"a: b\r\nInjected": "1"}),
    "name with space": lambda: ("x", 200, {"a b": "c"}),
    "name with colon": lambda: ("x", 200, {"a:": "c"}),
    "name empty": lambda: ("x", 200, {"": "c"}),
    "name none": lambda: ("x", 200, {None: "c"}),
    "type of two lines": lambda: Response("x", 200, None, "text/plain\r\nInjected: 1"),
    "type of two lines in bytes": lambda: Response(b"x", 200, None, b"text/plain\r\nInjected: 1"),
    "type in fields of two lines": lambda: ("x", 200, {"Content-Type": "text/plain\r\nInjected: 1"}),
    "length of its own": lambda: ("x", 200, {"Content-Length": "77"}),
    "length of its own, lower": lambda: ("x", 200, {"content-length": 0}),
    "coding of its own": lambda: ("x", 200, {"Transfer-Encoding": "chunked"}),
    "JSON of an object": lambda: {"x": Odd()},
    "JSON list of an object": lambda: [Odd()],
    "JSON of a set": lambda: {"x": {1}},
    "JSON of bytes": lambda: {"x": b"\xff"},
    "JSON of NaN": lambda: {"x": float("nan")},
    "JSON of infinity": lambda: [float("-inf")],
    "JSON without end": lambda: endless(),
    "file without length": lambda: Response(open(__file__, "rb")),  # noqa: SIM115
}


def endless():
    loop = []
    loop.append(loop)
    return loop


@app.get("/junk")
def junk_names(request):
    return sorted(JUNK)


@app.get("/junk/<name>")
def junk(request, name):
    return JUNK[name]()


@app.get("/junk/async/<name>")
async def junk_later(request, name):
    await asyncio.sleep(0)
    return JUNK[name]()


@app.get("/file/<int:length>")
def file(request, length):
    response = Response(open(__file__, "rb"))  # noqa: SIM115
    response.length = length
    return response


# -- how the server is


kept = None


@app.get("/keep")
async def keep(request):
    global kept
    kept = request
    return {}


@app.get("/kept")
def read_kept(request):
    try:
        return {"cookie": kept.headers.get("cookie")}
    except Exception as error:
        return {"cookie": None, "error": type(error).__name__}


@app.get("/state")
def state(request):
    gc.collect()
    server = app.server
    return {
        "busy": len([slot for slot in server.slots if slot.sock]),
        "writing": len([slot for slot in server.slots if slot.sock and slot.watching == WRITE]),
        "slots": len(server.slots),
        "counters": server.counters,
        "clock": server.clock,
        "seen": seen,
        "doors": sorted(doors),
        "heap": gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0,
    }


hoard = [None]


async def give_back(duration_ms):
    await asyncio.sleep(duration_ms / 1000)
    hoard[0] = None


@app.get("/hoard/<int:duration_ms>/<int:spare>")
def take_all_memory(request, duration_ms, spare):
    """Leave `spare` bytes to everybody else, for a while."""
    asyncio.create_task(give_back(duration_ms))
    left = bytearray(spare)
    size = 65536
    while size:
        try:
            hoard[0] = (bytearray(size), hoard[0])
        except MemoryError:
            size //= 2
    del left
    return {}


doors = {}


@app.get("/wait/<name>")
async def wait(request, name):
    """Answer once somebody opens the door of this name."""
    door = doors[name] = asyncio.Event()
    await door.wait()
    return {"name": name}


@app.get("/open/<name>")
def open_door(request, name):
    if name not in doors:
        return {"opened": False}
    doors.pop(name).set()
    return {"opened": True}


@app.get("/stop")
def stop(request):
    app.task.cancel()
    return {"stopping": True}


def nothing(*args):
    """A hook that does nothing."""


async def nothing_later(*args):
    """An asynchronous one."""


if "hooked" in start.words():
    app.before(nothing)
    app.after(nothing)
if "hooked-later" in start.words():
    app.before(nothing_later)
    app.after(nothing_later)

if __name__ == "__main__":
    start.run(app)
