"""The board itself: its settings, its log, its restart; and a redirect from /board/ if there is no project."""

import asyncio

import firmware.board as board
from firmware import App, HTTPError
from firmware.board import recovery, settings
from firmware.site import guards

app = App()
app.can_go = True  # it has no state
app.json_errors = True

# Time for the response to leave.
_RESTART_MS = 500


@app.get("/api/settings")
def read_settings(request):
    """Return the settings, each secret as true if it is set; with `?download=1` as a file to keep."""
    headers = {"Cache-Control": "no-store"}
    document = settings.public()
    if request.args.get("download") is not None:
        headers["Content-Disposition"] = 'attachment; filename="%s.json"' % settings.current["hostname"]
        document["backup"] = True
    return document, 200, headers


@app.put("/api/settings")
def replace_settings(request):
    """Take a whole document as the settings. Raises 422.

    Settings that are read at startup take effect after the next one; pins are opened and closed at once. The password
    is not changed: another endpoint does that and asks for the old one, and no backup restores one. From a backup
    ("backup": true), entries are left out if they need a password that this board does not have; "missing" names them:
    networks, and "access_point".
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

    A scan takes some seconds, in which nothing else runs.
    """
    if board.link is None:
        raise HTTPError(404, "There is no Wi-Fi here.")
    return {"networks": await board.link.scan()}, 200, {"Cache-Control": "no-store"}


def _without_secrets(document, wrong, missing):
    """Return a document without the entries whose secret is not here, which `wrong` tells; add these to `missing`.

    A network does not become open because its password is unknown.
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
    """Change the members in a merge patch (RFC 7396), and keep the rest: null sets the default, a list is replaced.

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
    """Redirect an address from the time of a project to the page, which is at the root without one."""
    return None, 302, {"Location": "./" if request.path == "/board" else "../"}


@app.post("/api/restart")
async def restart(request):
    """Restart the board after this response."""
    asyncio.create_task(_restart())
    return {"message": "The board starts anew."}, 202


async def _restart():
    await board.sleep_ms(_RESTART_MS)
    # A laptop's server restarts by itself.
    getattr(board, "restart", board.reset)()
