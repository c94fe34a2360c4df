"""What runs beside the requests: an application's background tasks, kept going.

One that fails is logged and begun anew, later each time, up to a minute; one that returns is done.
"""

import asyncio

from firmware.server import transport

_FIRST_PAUSE_MS = 1000
_MAX_PAUSE_MS = 60000


async def keep_going(server, function):
    """Run the `async` function until it returns, or this is cancelled."""
    pause_ms = _FIRST_PAUSE_MS
    while True:
        try:
            return await function()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            server.log_error("background task", error)
        await transport.sleep_ms(pause_ms)
        pause_ms = min(2 * pause_ms, _MAX_PAUSE_MS)
