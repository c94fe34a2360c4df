"""GET /metrics, for monitoring. Counting begins with the first request for it."""

import sys

import firmware.board as board
from firmware import App
from firmware.features import metrics
from firmware.site import guards

app = App()
app.can_go = bool(guards.left_out)  # then nothing is counted here


@app.get("/metrics")
def first(request):
    """Begin to count the responses of the whole application; from then on its own route answers here.

    On a board that leaves this guard out: return the figures that the server and the board count anyway.
    """
    attach = metrics.tell if guards.left_out else metrics.attach
    counting = attach(
        guards.root,
        heap=board.heap,
        idf_heap=board.idf_heap,
        uptime_s=board.uptime_s,
        rssi_dbm=_rssi_dbm,
        temperature_c=board.temperature_c,
        sensors=getattr(sys.modules.get("firmware.sensors"), "readings", None),
    )
    if not guards.left_out:
        counting.begin(request)
    return counting.answer(request)


def _rssi_dbm():
    return board.link.rssi() if board.link else None
