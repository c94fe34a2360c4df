"""The start: decides what a board or a laptop serves and where, and says why it cannot. Forgotten once it serves."""

import errno
import os
import sys

import firmware.board as board
from firmware.board import budget, memory, recovery, settings, storage
from firmware.server import loader, tasks, transport


def prepare():
    """Return (the arguments of `board.run`: the coroutine that serves, and how; None), or (None, an exit status)."""
    budget.begin()
    is_safe = recovery.begin()  # if there is a boot.py, it has counted this boot already
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
    # Safe mode must start without a certificate.
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
    """Start the tasks that need a radio, a clock or a pin; `app` is served already.

    Nothing that stays may refer to this module, or it could not be forgotten.
    """
    import network

    from firmware.board import wifi
    from firmware.site import link

    link.app = app
    board.link = supervisor = wifi.Supervisor(network, settings, board.sleep_ms, board.ticks_ms, link.give_up)
    pins_of = settings.current["pins"]
    if pins_of["gpio"] and not recovery.safe_mode:
        # Devices at an output must be off; the pin must not float.
        from firmware.board import pins

        pins.opened()
    supervisor.on_change(link.turn)
    tasks.start("wifi", supervisor.run)
    tasks.start("clock", link.keep_time)
    if pins_of["led"] is not None:
        tasks.start("indicator", link.show)
    loader.settled()


def end(error):
    """Report how the server ended, by its exception or None; return the exit status."""
    if error is None:
        print("stopped")
        return 0
    text = _reason(error, *_place(board.options())) if isinstance(error, OSError) else board.traceback(error)
    recovery.note_crash(text)
    return _complain(text)


def _application(is_safe, project):
    """Return the application to serve: the site, or the repair page in safe mode or if the site cannot be loaded.

    `project`: the folder of the user's application, or None. Raises OSError if a laptop has no such folder.
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
    """Put the project before the site. If that fails, a board serves the site without it: it would restart for ever.

    Raises OSError on a laptop, whose user has named the folder.
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
    """Set the server's limits from the settings, and from the memory if the settings have none."""
    app.limits.connections = budget.connections(app.limits.connections)
    for name, value in settings.current["limits"].items():
        if value is not None:
            setattr(app.limits, name, value)


def _certificate():
    """Return the TLS context, or None. A board without a usable one serves plain HTTP: it must stay reachable."""
    from firmware.features.tls import Context

    try:
        return Context(storage.folder + "/tls")
    except (OSError, ValueError) as error:
        if not board.network_time:  # a laptop, whose user has asked for TLS
            raise
        print("limpet: no HTTPS, the certificate in %s/tls cannot be used: %r" % (storage.folder, error))
        return None


def _place(options):
    """Return the host and the port to serve at, without TLS."""
    return options["host"], options["port"] or settings.current["ports"]["http"]


def _address(host, port):
    """Return host and port as they are written in an address."""
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


def _reason(error, host, port):
    """Say in words why the server could not start."""
    if error.errno == errno.EADDRINUSE:
        return "%s is in use: choose another --port, or end what listens there" % _address(host, port)
    if error.errno == errno.ENOENT:
        return "no certificate in %s/tls: make one with `python3 -m tools cert`" % storage.folder
    return "cannot listen on %s: %s" % (_address(host, port), error)


def _complain(reason):
    """Say why there is no server, and return the exit status."""
    print("limpet:", reason, file=sys.stderr)
    return 1
