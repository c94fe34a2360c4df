"""What the state of the link means for the server: the site on a network, the setup page on the access point.

`start` has what begins it.
"""

import firmware.board as board
from firmware.board import clock, recovery, settings, wifi
from firmware.server import loader, tasks

_SHOWN = {wifi.CONNECTED: "serving", wifi.ACCESS_POINT: "access_point"}

app = None  # what is served on a network


def give_up():
    """Start anew: the supervisor finds no network."""
    recovery.reset("no network")


def keep_time():
    """Return what keeps the clock right, to be awaited."""
    return clock.run(_is_online)


def _is_online():
    return board.link.state == wifi.CONNECTED


def show():
    """Return what keeps the LED showing how the board is doing, to be awaited."""
    from firmware.board import indicator

    return indicator.run(_shown)


def _shown():
    """Return what the indicator is to show, by its name in `indicator.PATTERNS`."""
    if recovery.safe_mode or not tasks.is_well():
        return "error"
    return _SHOWN.get(board.link.state, "joining")


def turn(state):
    """Serve the setup page while the access point is open, and the site else."""
    if state == wifi.ACCESS_POINT:
        # A task, since what it takes to load the page may not be free at once: then it is tried again.
        tasks.start("setup", _set_up)
    else:
        tasks.end("setup")
        if app.server.app is not app:
            app.server.use(app)


async def _set_up():
    """Serve the setup page and nothing else, and lead every name to it, until cancelled."""
    supervisor = board.link
    if app.server.app is app:
        # Most boards see it once in their life; it takes 15 KB.
        app.spare()
        setup = loader.borrow("firmware.site.setup")
        app.server.use(setup.make(supervisor, settings))
        del setup
    # Only for who is on the access point: a network that is being tried has a DNS server of its own.
    await loader.borrow("firmware.board.dns").serve(supervisor.address, 53, supervisor.address)
