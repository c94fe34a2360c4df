"""The pins that the settings allow: read, switched, dimmed, and shown in every open page at once."""

from firmware import App, HTTPError
from firmware.board import pins
from firmware.site.problems import explain

app = App()
app.can_go = True  # the pins are the board's
explain(app)


@app.get("/api/pins")
def list_pins(request):
    """Return all pins, in the order of the settings, and the `version` of readings that have these."""
    return {"pins": [pin.report() for pin in pins.opened()], "version": pins.version}


@app.get("/api/pins/<int:number>")
def read_pin(request, number):
    """Return a pin. Raises 404."""
    return pins.find(number).report()


@app.put("/api/pins/<int:number>")
def set_pin(request, number):
    """Set a pin as {"value": 1} says. Raises 404, 409 for an input, 422."""
    wanted = request.json
    if type(wanted) is not dict or len(wanted) != 1 or "value" not in wanted:
        raise HTTPError(422, 'Send {"value": 1}.')
    return change(number, wanted["value"])


def change(number, value):
    """Set a pin, and return it. Raises 404, 409, 422."""
    # Not to be kept: the readings may go, and come back as others.
    from firmware.site.readings import publish

    pin = pins.find(number)
    pin.set(value)
    publish()
    return pin.report()


def obey(wanted):
    """Do what a WebSocket's {"pin": {"number": 4, "value": 1}} has. Raises as `change`."""
    if type(wanted) is not dict or len(wanted) != 2 or type(wanted.get("number")) is not int or "value" not in wanted:
        raise HTTPError(422, 'Send {"pin": {"number": 4, "value": 1}}.')
    return change(wanted["number"], wanted["value"])
