"""What the LED tells of the board, where the settings name its pin."""

import firmware.board as board
from firmware.board import settings

JOINING = "joining"
ACCESS_POINT = "access_point"
SERVING = "serving"
ERROR = "error"

# One letter a tenth of a second, over and over. Serving is as the LED was switched, with a wink every four seconds.
PATTERNS = {
    JOINING: "##..",
    ACCESS_POINT: "#.#.......",
    SERVING: "#" + 39 * ".",
    ERROR: "#.#.#.....",
}

_STEP_MS = 100


async def run(state):
    """Show what `state()` returns, a name of PATTERNS, until the settings name another pin; or none, then not at all.

    Raises ValueError for a pin that the chip has not.
    """
    pins = settings.current["pins"]
    if pins["led"] is None:
        return
    board.led.attach(pins["led"], pins["led_inverted"])
    shown = None
    step = 0
    while settings.current["pins"]["led"] == pins["led"]:
        now = state()
        if now != shown:
            shown = now
            step = 0
        pattern = PATTERNS[shown]
        board.led.light((pattern[step % len(pattern)] == "#") != (shown == SERVING and board.led.on))
        step += 1
        await board.sleep_ms(_STEP_MS)
