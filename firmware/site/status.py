"""The status of the board and the server."""

import firmware.board as board
from firmware import NAME, VERSION, App
from firmware.board import clock, memory, recovery, settings
from firmware.server import tasks
from firmware.site import guards

app = App()
app.can_go = True  # it has no state


@app.get("/api/status")
def status(request):
    """Return the status of the board and the server."""
    return {
        "firmware": {"name": NAME, "version": VERSION},
        "hostname": settings.current["hostname"],
        "python": board.python(),
        "board": board.NAME,
        "uptime_s": board.uptime_s(),
        "heap": board.heap(),
        "idf_heap": board.idf_heap(),
        "temperature_c": board.temperature_c(),
        # A board without an LED has no switch for it.
        "led": {"on": board.led.on} if settings.current["pins"]["led"] is not None or not board.network_time else None,
        "boot": _boot(),
        "tasks": tasks.report(),
        "memory": memory.report(),
        "left_out": list(guards.left_out),
        "password_set": settings.current["admin"] is not None,
        "project": guards.kept.get("project"),
        "clock": clock.report(),
        "wifi": board.link.status() if board.link else None,
        "connections": _connections(guards.root.server),
    }


def _boot():
    """Return how the board started; for a crash only the error, not the place."""
    report = recovery.report()
    if report["last_crash"]:
        report["last_crash"] = report["last_crash"].strip().split("\n")[-1]
    return report


def _connections(server):
    counts = {"requests": server.requests, "limit": len(server.slots)}
    counts["open"] = sum(1 for slot in server.slots if slot.sock)
    counts.update(server.counters)
    return counts
