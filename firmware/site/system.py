"""The board itself: its settings, its log, its restart; and the way home from where the site is beside a project."""

import asyncio

import firmware.board as board
from firmware import App, HTTPError
from firmware.board import recovery, settings
from firmware.site import guards

app = App()
app.can_go = True  # it knows nothing
app.json_errors = True

# For the answer to be on its way.
_RESTART_MS = 500


@app.get("/api/settings")
def read_settings(request):
    """Return the settings, each secret as true where there is one; with `?download=1` as a file to keep."""
    headers = {"Cache-Control": "no-store"}
    document = settings.public()
    if request.args.get("download") is not None:
        headers["Content-Disposition"] = 'attachment; filename="%s.json"' % settings.current["hostname"]
        document["backup"] = True
    return document, 200, headers


@app.put("/api/settings")
def replace_settings(request):
    """Take a whole document as the settings; what is read at the start only counts from the next one on. Raises 422.

    Pins are opened and closed at once. The password stays as it is: it is changed where the old one is asked for, and
    no backup brings one back. Of a backup ("backup": true), what needs a password that this board does not have is left
    out, and "missing" names it: networks, and "access_point".
    """
    missing = None
    document = request.json
    if type(document) is dict:
        document = dict(document)
        document["admin"] = settings.current["admin"] is not None
        if document.pop("backup", None) is True:
            missing = []
    had_pins = settings.current["pins"]["gpio"]
    try:
        settings.replace(document)
    except HTTPError as error:
        if missing is None or not error.fields:
            raise
        settings.replace(_without_secrets(document, error.fields, missing))
    if (had_pins or settings.current["pins"]["gpio"]) and not recovery.safe_mode:
        from firmware.board import pins

        pins.opened()
    document, status, headers = read_settings(request)
    if missing is not None:
        document["missing"] = missing
    return document, status, headers


@app.get("/api/settings/networks")
async def scan(request):
    """Return the Wi-Fi networks in range, [{"ssid", "rssi" in dBm, "locked"}], the strongest first. Raises 404.

    Nothing else runs for the seconds that it takes.
    """
    if board.link is None:
        raise HTTPError(404, "There is no Wi-Fi here.")
    return {"networks": await board.link.scan()}, 200, {"Cache-Control": "no-store"}


def _without_secrets(document, wrong, missing):
    """Return a document without what keeps a secret that is not here, as `wrong` tells; add that to `missing`.

    A network is never open because its password is not known.
    """
    networks = []
    for at, network in enumerate(document.get("networks", ())):
        if network.get("password") is True and "networks.%d.password" % at in wrong:
            missing.append(network["ssid"])
        else:
            networks.append(network)
    document["networks"] = networks
    if "access_point.password" in wrong and document["access_point"]["password"] is True:
        missing.append("access_point")
        document["access_point"] = settings.current["access_point"]
    return document


@app.patch("/api/settings")
def change_settings(request):
    """Change what a merge patch (RFC 7396) names, and keep the rest: null stands for the default, a list is replaced.

    Raises and returns as PUT does.
    """
    request.json = _merged(settings.public(), request.json)
    return replace_settings(request)


def _merged(target, patch):
    if type(patch) is not dict:
        return patch
    target = dict(target) if type(target) is dict else {}
    for name in patch:
        if patch[name] is None:
            target.pop(name, None)
        else:
            target[name] = _merged(target.get(name), patch[name])
    return target


@app.get("/api/log")
def read_log(request):
    """Return the log's lines newer than `?since=N`, after at most `?wait=S` seconds."""
    return guards.log.poll(request)


@app.get("/board")
@app.get("/board/")
def go_home(request):
    """Send whoever has kept an address from beside a project to the page, which is at the root without one."""
    return None, 302, {"Location": "./" if request.path == "/board" else "../"}


@app.post("/api/restart")
async def restart(request):
    """Start the board anew, once this is answered."""
    asyncio.create_task(_restart())
    return {"message": "The board starts anew."}, 202


async def _restart():
    await board.sleep_ms(_RESTART_MS)
    # A laptop's server starts again by itself.
    getattr(board, "restart", board.reset)()
