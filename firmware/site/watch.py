"""GET /metrics, for who watches over many things: counted from the first request for it on."""

import firmware.board as board
from firmware import App
from firmware.features import metrics

app = App()


@app.get("/metrics")
def first(request):
    """Begin to count what the whole application answers; from then on its own route answers here."""
    counting = metrics.attach(
        app.parent,
        heap=board.heap,
        idf_heap=board.idf_heap,
        uptime_s=board.uptime_s,
        rssi_dbm=_rssi_dbm,
        temperature_c=board.temperature_c,
    )
    counting.begin(request)
    return counting.answer(request)


def _rssi_dbm():
    return board.link.rssi() if board.link else None
