"""The start: what a board or a laptop serves, where, and what it says when it cannot. Gone once it serves."""

import errno
import os
import sys

import firmware.board as board
from firmware.board import budget, memory, recovery, settings, storage
from firmware.server import loader, tasks, transport


def prepare():
    """Return (what `board.run` takes: what has to run for ever, and how; None), or (None, an exit status)."""
    budget.begin()
    is_safe = recovery.begin()  # boot.py has counted this boot already, where there is one
    options = board.options()
    try:
        storage.use(options["data"])
    except OSError as error:
        return None, _complain("no data can be kept in %s: %s" % (options["data"], error))
    settings.load()
    try:
        app = _application(is_safe, options.get("project"))
    except OSError as error:
        return None, _complain("there is no project in %s: %s" % (options["project"], error))
    _set_limits(app)
    host, port = _place(options)
    # Safe mode has to come up without a certificate.
    tls_port = options["tls_port"] or (None if is_safe else settings.current["ports"]["https"])
    try:
        tls = _certificate() if tls_port else None
    except Exception as error:
        return None, end(error)
    redirect_port = None
    if tls:
        port, redirect_port = tls_port, port

    def ready():
        print("http%s://%s/" % ("s" if tls else "", _address(host, port)))
        tasks.start("memory", memory.Keeper(app.server).run)
        tasks.start("recovery", recovery.watch)
        if board.network_time:  # a board, not a laptop
            _start_link(app)

    return (tasks.outlive(app.serve(host, port, ready, tls, redirect_port)), transport.run), None


def _start_link(app):
    """Start what needs a radio, a clock or a pin; `app` is served already.

    Nothing of this module may be in what stays, or all of it would.
    """
    import network

    from firmware.board import wifi
    from firmware.site import link

    link.app = app
    board.link = supervisor = wifi.Supervisor(network, settings, board.sleep_ms, board.ticks_ms, link.give_up)
    pins_of = settings.current["pins"]
    if pins_of["gpio"] and not recovery.safe_mode:
        # What hangs on an output shall be off, not float.
        from firmware.board import pins

        pins.opened()
    supervisor.on_change(link.turn)
    tasks.start("wifi", supervisor.run)
    tasks.start("clock", link.keep_time)
    if pins_of["led"] is not None:
        tasks.start("indicator", link.show)
    loader.settled()


def end(error):
    """Say how it ended, with what it raised or None; return the exit status."""
    if error is None:
        print("stopped")
        return 0
    text = _reason(error, *_place(board.options())) if isinstance(error, OSError) else board.traceback(error)
    recovery.note_crash(text)
    return _complain(text)


def _application(is_safe, project):
    """Return what to serve: in safe mode, or where the site cannot be loaded, what it takes to repair it.

    `project`: the folder of one's own application, or None. Raises OSError where a laptop has no such folder.
    """
    if not is_safe:
        try:
            from firmware.site.routes import app
        except Exception as error:
            text = board.traceback(error)
            print(text, end="")
            recovery.note_crash(text)
        else:
            if project and (_is_folder(project) or not board.network_time):
                _attach(app, project)
            return app
    from firmware.site.safe import app

    return app


def _attach(app, project):
    """Put the project before the site, which goes on without it where that fails.

    Raises OSError on a laptop: its user has named the folder, and a board would start anew for ever.
    """
    try:
        loader.borrow("firmware.site.project").attach(app, project)
    except Exception as error:
        if isinstance(error, OSError) and not board.network_time:
            raise
        print("limpet: the project is left out:", repr(error))
        recovery.note_crash(repr(error))


def _is_folder(path):
    try:
        return os.stat(path)[0] & 0x4000
    except OSError:
        return False


def _set_limits(app):
    """Let the settings have their say on the server's limits, and the memory where they have none."""
    app.limits.connections = budget.connections(app.limits.connections)
    for name, value in settings.current["limits"].items():
        if value is not None:
            setattr(app.limits, name, value)


def _certificate():
    """Return what makes connections secure, or None: a board is better reached without than not at all."""
    from firmware.features.tls import Context

    try:
        return Context(storage.folder + "/tls")
    except (OSError, ValueError) as error:
        if not board.network_time:  # a laptop, whose user has asked for it
            raise
        print("limpet: no HTTPS, the certificate in %s/tls cannot be used: %r" % (storage.folder, error))
        return None


def _place(options):
    """Return the host and the port to serve at, without TLS."""
    return options["host"], options["port"] or settings.current["ports"]["http"]


def _address(host, port):
    """Return host and port as an address has them."""
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


def _reason(error, host, port):
    """Say in words why the server could not begin."""
    if error.errno == errno.EADDRINUSE:
        return "%s is in use: choose another --port, or end what listens there" % _address(host, port)
    if error.errno == errno.ENOENT:
        return "no certificate in %s/tls: make one with `python3 -m tools cert`" % storage.folder
    return "cannot listen on %s: %s" % (_address(host, port), error)


def _complain(reason):
    """Say why there is no server, and return the exit status."""
    print("limpet:", reason, file=sys.stderr)
    return 1
