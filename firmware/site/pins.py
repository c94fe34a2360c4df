"""The pins that the settings allow: read, switched, dimmed, and shown in every open page at once."""

from firmware import App
from firmware.board import pins

app = App()
app.can_go = True  # the pins are the board's
app.json_errors = True


@app.get("/api/pins")
def list_pins(request):
    """Return all pins, in the order of the settings, and the `version` of readings that have these."""
    return {"pins": [pin.report() for pin in pins.opened()], "version": pins.version}


@app.get("/api/pins/<int:number>")
def read_pin(request, number):
    """Return a pin. Raises 404."""
    return pins.find(number).report()


@app.put("/api/pins/<int:number>", schema={"value": None})
def set_pin(request, number):
    """Set a pin as {"value": 1} says. Raises 404, 409 for an input, 422."""
    # Not to be kept: the readings may go, and come back as others.
    from firmware.site.readings import set_pin as set_and_show

    return set_and_show(number, request.json["value"])
