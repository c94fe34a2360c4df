"""Serves what fits the state of the link: the site on a network, the setup page on the access point.

`start` starts this.
"""

import firmware.board as board
from firmware.board import clock, recovery, settings, wifi
from firmware.server import loader, tasks

_SHOWN = {wifi.CONNECTED: "serving", wifi.ACCESS_POINT: "access_point"}

app = None  # the application on a network


def give_up():
    """Restart the board: the supervisor finds no network."""
    recovery.reset("no network")


def keep_time():
    """Return a coroutine that keeps the clock right."""
    return clock.run(_is_online)


def _is_online():
    return board.link.state == wifi.CONNECTED


def show():
    """Return a coroutine that shows the board's state with the LED."""
    from firmware.board import indicator

    return indicator.run(_shown)


def _shown():
    """Return the pattern for the indicator, by its name in `indicator.PATTERNS`."""
    if recovery.safe_mode or not tasks.is_well():
        return "error"
    return _SHOWN.get(board.link.state, "joining")


def turn(state):
    """Serve the setup page while the access point is open, else the site."""
    if state == wifi.ACCESS_POINT:
        # A task, because the memory for the page may not be free at once: a task is tried again.
        tasks.start("setup", _set_up)
    else:
        tasks.end("setup")
        if app.server.app is not app:
            app.server.use(app)


async def _set_up():
    """Serve the setup page alone, and answer every DNS name with this board, until cancelled."""
    supervisor = board.link
    if app.server.app is app:
        # Most boards need it once in their life; it takes 15 KB.
        app.spare()
        setup = loader.borrow("firmware.site.setup")
        app.server.use(setup.make(supervisor, settings))
        del setup
    # Only on the access point: a network that is being tried has a DNS server of its own.
    await loader.borrow("firmware.board.dns").serve(supervisor.address, 53, supervisor.address)
