"""The board itself: its settings, its log, its restart."""

import asyncio

import firmware.board as board
from firmware import App
from firmware.board import recovery, settings
from firmware.site.guards import log
from firmware.site.problems import explain

app = App()
app.can_go = True  # it knows nothing
explain(app)

# For the answer to be on its way.
_RESTART_MS = 500


@app.get("/api/settings")
def read_settings(request):
    """Return the settings, each secret as true where there is one; with `?download=1` as a file to keep."""
    headers = {"Cache-Control": "no-store"}
    if request.args.get("download") is not None:
        headers["Content-Disposition"] = 'attachment; filename="%s.json"' % settings.current["hostname"]
    return settings.public(), 200, headers


@app.put("/api/settings")
def replace_settings(request):
    """Take a whole document as the settings; what is read at the start only counts from the next one on. Raises 422.

    Pins are opened and closed at once. The password stays as it is: it is changed where the old one is asked for, and
    no backup brings one back.
    """
    document = request.json
    if type(document) is dict:
        document = dict(document)
        document["admin"] = settings.current["admin"] is not None
    had_pins = settings.current["pins"]["gpio"]
    settings.replace(document)
    if (had_pins or settings.current["pins"]["gpio"]) and not recovery.safe_mode:
        from firmware.board import pins

        pins.opened()
    return read_settings(request)


@app.get("/api/log")
def read_log(request):
    """Return the log's lines newer than `?since=N`, after at most `?wait=S` seconds."""
    return log.poll(request)


@app.post("/api/restart")
async def restart(request):
    """Start the board anew, once this is answered."""
    asyncio.create_task(_restart())
    return {"message": "The board starts anew."}, 202


async def _restart():
    await board.sleep_ms(_RESTART_MS)
    board.reset()
