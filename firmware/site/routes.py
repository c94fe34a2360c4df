"""The shipped site: its status, its pages; and where its other parts are, loaded when they are asked for."""

import firmware.board as board
from firmware import NAME, VERSION, App
from firmware.board import clock, memory, recovery, settings, tasks
from firmware.site import guards

app = App()
guards.attach(app)


@app.get("/api/status")
def status(request):
    """Return how the board and the server are doing."""
    return {
        "firmware": {"name": NAME, "version": VERSION},
        "hostname": settings.current["hostname"],
        "python": board.python(),
        "board": board.NAME,
        "uptime_s": board.uptime_s(),
        "heap": board.heap(),
        "idf_heap": board.idf_heap(),
        "temperature_c": board.temperature_c(),
        "led": {"on": board.led.on},
        "boot": boot_report(),
        "tasks": tasks.report(),
        "memory": memory.report(),
        "clock": clock.report(),
        "wifi": board.link.status() if board.link else None,
        "connections": _connections(app.server),
    }


def boot_report():
    """Return how the board started; of a crash only what it was, not where."""
    report = recovery.report()
    if report["last_crash"]:
        report["last_crash"] = report["last_crash"].strip().split("\n")[-1]
    return report


def _connections(server):
    counts = {"requests": server.requests, "limit": len(server.slots)}
    counts["open"] = sum(1 for slot in server.slots if slot.sock)
    counts.update(server.counters)
    return counts


app.lazy(("/users",), "firmware.site.users")
app.lazy(("/api/led", "/api/events", "/api/readings", "/api/readings.csv", "/ws"), "firmware.site.readings")
app.lazy(("/api/pins",), "firmware.site.pins")
app.lazy(("/files", "/api/files"), "firmware.site.files")
app.lazy(("/api/settings", "/api/log", "/api/restart"), "firmware.site.system")
app.lazy(("/api/update",), "firmware.site.update")
app.lazy(("/metrics",), "firmware.site.watch")
app.static("/", __file__[: __file__.rfind("routes.")] + "www")
