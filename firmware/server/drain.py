"""How a server ends in good order: loaded when it is told to."""

from firmware.http.native import const
from firmware.server import transport
from firmware.server.connection import HOLD, IDLE, NEW, POLL, WAIT

# How long requests under way may take to end.
_DRAIN_MS = const(2000)
_STEP_MS = const(50)


async def drain(server):
    """Take nobody new, and give requests under way a moment to be answered."""
    server.stop_listening()
    server.draining = True
    for slot in server.slots:
        if slot.sock and slot.want in (IDLE, NEW, WAIT, POLL, HOLD):
            slot.interrupt()
    for _ in range(_DRAIN_MS // _STEP_MS):
        if not any(slot.sock for slot in server.slots):
            return
        await transport.sleep_ms(_STEP_MS)
    for slot in server.slots:
        slot.abort()
    # What was cancelled has a turn to end in order.
    await transport.sleep_ms(_STEP_MS)
