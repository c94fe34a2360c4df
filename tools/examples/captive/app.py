"""A captive page of one's own: the board opens a network, and whatever a phone asks for there leads to a form."""

from firmware import App, HTTPError, Request, redirect, render
from firmware.board import storage

ADDRESS = "192.168.4.1"  # the access point's own
NETWORK = "Garden"

app = App()
settings: "dict[str, str]" = storage.load("garden.json", {"name": "garden", "broker": ""})

FORM = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Set up</title>
<h1>Set up {{name}}</h1>
<form method="post" action="/setup">
<p><label>Name <input name="name" value="{{name}}" maxlength="32" required></label></p>
<p><label>MQTT broker <input name="broker" value="{{broker}}" maxlength="64"></label></p>
<button>Save</button>
</form>
</html>
"""


@app.background
async def open_network():
    """Open the access point, and answer every name with this board's address. A laptop has neither."""
    try:
        from network import WLAN
    except ImportError:
        return
    from firmware.board import dns

    access_point = WLAN(WLAN.IF_AP)
    access_point.active(True)
    access_point.config(ssid=NETWORK)
    await dns.serve(ADDRESS)


@app.get("/setup")
def form(request: Request):
    return render(FORM, **settings), {"Cache-Control": "no-store"}


@app.post("/setup")
def save(request: Request):
    settings.update({"name": request.form["name"][:32], "broker": request.form["broker"][:64]})
    storage.save("garden.json", settings)
    return redirect("/setup", 303)


@app.error(404)
def elsewhere(request: Request, error: HTTPError):
    """Send a phone that looks for the internet to the form: it opens by itself then."""
    return redirect("http://%s/setup" % ADDRESS)
