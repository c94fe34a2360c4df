"""GET /healthz, for monitoring: 200 {"status": "ok"}, or 503 with the reasons.

    health.attach(app, {"wifi": lambda: None if board.wifi.is_connected() else "not connected"})

A check returns None if all is well, else a reason as text; an exception is a reason, too. Every client may ask, so a
reason must not contain secrets.
"""

from firmware.server import transport


def attach(app, checks=None, path="/healthz"):
    """Add the route; `checks` maps names to functions."""

    def answer(request):
        reasons = examine(checks or {})
        # An old answer is useless.
        fields = {"Cache-Control": "no-store"}
        if reasons:
            return {"status": "unavailable", "reasons": reasons}, 503, fields
        return {"status": "ok"}, 200, fields

    app.get(path)(answer)


def examine(checks):
    """Return {name: reason} of the checks that fail."""
    reasons = {}
    for name in checks:
        try:
            reason = checks[name]()
        except Exception as error:
            # The exception's text is for the console.
            print("limpet: health check", name)
            transport.print_exception(error)
            reason = "the check failed"
        if reason is not None:
            reasons[name] = str(reason)
    return reasons
