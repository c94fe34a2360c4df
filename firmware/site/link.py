"""What the state of the link means for the server: the site on a network, the setup page on the access point."""

import firmware.board as board
from firmware.board import clock, recovery, settings, wifi
from firmware.server import loader, tasks

_SHOWN = {wifi.CONNECTED: "serving", wifi.ACCESS_POINT: "access_point"}


def start(app):
    """Start what needs a radio, a clock or a pin; `app` is served already."""
    import network

    board.link = supervisor = wifi.Supervisor(
        network, settings, board.sleep_ms, board.ticks_ms, lambda: recovery.reset("no network")
    )
    pins_of = settings.current["pins"]
    if pins_of["gpio"] and not recovery.safe_mode:
        # What hangs on an output shall be off, not float.
        from firmware.board import pins

        pins.opened()
    supervisor.on_change(lambda state: _turn(app, supervisor))
    tasks.start("wifi", supervisor.run)
    tasks.start("clock", lambda: clock.run(lambda: supervisor.state == wifi.CONNECTED))
    if pins_of["led"] is not None:
        from firmware.board import indicator

        tasks.start("indicator", lambda: indicator.run(_shown))
    loader.settled()


def _shown():
    """Return what the indicator is to show, by its name in `indicator.PATTERNS`."""
    if recovery.safe_mode or not tasks.is_well():
        return "error"
    return _SHOWN.get(board.link.state, "joining")


def _turn(app, supervisor):
    """Serve the setup page while the access point is open, and the site else."""
    if supervisor.state == wifi.ACCESS_POINT:
        # A task, since what it takes to load the page may not be free at once: then it is tried again.
        tasks.start("setup", lambda: _set_up(app, supervisor))
    else:
        tasks.end("setup")
        if app.server.app is not app:
            app.server.use(app)


async def _set_up(app, supervisor):
    """Serve the setup page and nothing else, and lead every name to it, until cancelled."""
    if app.server.app is app:
        # Most boards see it once in their life; it takes 15 KB.
        app.spare()
        setup = loader.borrow("firmware.site.setup")
        app.server.use(setup.make(supervisor, settings))
        del setup
    # Only for who is on the access point: a network that is being tried has a DNS server of its own.
    await loader.borrow("firmware.board.dns").serve(supervisor.address, 53, supervisor.address)
