"""The pins that the settings name: read, switched, dimmed. Every open page shows a change at once."""

from firmware import App
from firmware.board import pins

app = App()
app.can_go = True  # its state is the board's
app.json_errors = True


@app.get("/api/pins")
def list_pins(request):
    """Return all pins, in the order of the settings, and the `version` of the readings that contain them."""
    return {"pins": [pin.report() for pin in pins.opened()], "version": pins.version}


@app.get("/api/pins/<int:number>")
def read_pin(request, number):
    """Return a pin. Raises 404."""
    return pins.find(number).report()


@app.put("/api/pins/<int:number>", schema={"value": None})
def set_pin(request, number):
    """Set a pin to the value in {"value": 1}. Raises 404, 409 for an input, 422."""
    # Looked up each time: the readings may be forgotten and loaded again.
    from firmware.site.readings import set_pin as set_and_show

    return set_and_show(number, request.json["value"])
