"""What the state of the link means for the server: the site on a network, the setup page on the access point."""

import firmware.board as board
from firmware.board import clock, dns, indicator, recovery, settings, tasks, wifi

_SHOWN = {wifi.CONNECTED: indicator.SERVING, wifi.ACCESS_POINT: indicator.ACCESS_POINT}


def start(app):
    """Start what needs a radio, a clock or a pin; `app` is served already."""
    import network

    board.link = supervisor = wifi.Supervisor(
        network, settings, board.sleep_ms, board.ticks_ms, lambda: recovery.reset("no network")
    )
    supervisor.on_change(lambda state: _turn(app, supervisor))
    tasks.start("wifi", supervisor.run)
    tasks.start("clock", lambda: clock.run(lambda: supervisor.state == wifi.CONNECTED))
    tasks.start("indicator", lambda: indicator.run(_shown))


def _shown():
    if recovery.safe_mode or not tasks.is_well():
        return indicator.ERROR
    return _SHOWN.get(board.link.state, indicator.JOINING)


def _turn(app, supervisor):
    """Serve the setup page, and lead every name to it, while the access point is open; nothing else is served there."""
    if supervisor.state == wifi.ACCESS_POINT:
        from firmware.site import setup

        app.server.use(setup.make(supervisor, settings))
        tasks.start("dns", lambda: dns.serve(supervisor.address))
    elif app.server.app is not app:
        app.server.use(app)
        tasks.end("dns")
