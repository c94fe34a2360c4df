"""GET /healthz, for who watches over many things: 200 {"status": "ok"}, or 503 with what is wrong.

    health.attach(app, {"wifi": lambda: None if board.wifi.is_connected() else "not connected"})

A check returns None where all is well, else a reason as text; one that raises is a reason, too. Anybody may ask, so a
reason holds no secret.
"""

from firmware.server import transport


def attach(app, checks=None, path="/healthz"):
    """Add the route; `checks` maps names to functions."""

    def answer(request):
        reasons = examine(checks or {})
        # What was true a moment ago is of no use.
        fields = {"Cache-Control": "no-store"}
        if reasons:
            return {"status": "unavailable", "reasons": reasons}, 503, fields
        return {"status": "ok"}, 200, fields

    app.get(path)(answer)


def examine(checks):
    """Return a dict of the names of the checks that are not passed, each with its reason."""
    reasons = {}
    for name in checks:
        try:
            reason = checks[name]()
        except Exception as error:
            # Its words are for the console.
            print("limpet: health check", name)
            transport.print_exception(error)
            reason = "the check failed"
        if reason is not None:
            reasons[name] = str(reason)
    return reasons
