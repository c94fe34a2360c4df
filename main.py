"""Limpet: the story of a board from its start to serving, and of the laptop that stands in for one (`--help`)."""

import errno
import sys

import firmware.board as board
from firmware.board import memory, recovery, settings, storage, tasks
from firmware.server import transport


def main():
    """Serve until told to stop; return the exit status."""
    is_safe = recovery.begin()  # boot.py has counted this boot already, where there is one
    options = board.options()
    try:
        storage.use(options["data"])
    except OSError as error:
        return complain("no data can be kept in %s: %s" % (options["data"], error))
    settings.load()
    app = application(is_safe)
    set_limits(app)
    port = options["port"] or settings.current["ports"]["http"]
    # Safe mode has to come up without a certificate.
    tls_port = options["tls_port"] or (None if is_safe else settings.current["ports"]["https"])
    try:
        board.run(live(app, options["host"], port, tls_port), transport.run)
    except OSError as error:
        text = reason(error, options["host"], port)
    except Exception as error:
        text = board.traceback(error)
    else:
        print("stopped")
        return 0
    recovery.note_crash(text)
    return complain(text)


def application(is_safe):
    """Return what to serve: in safe mode, or where the site cannot be loaded, what it takes to repair it."""
    if not is_safe:
        try:
            from firmware.site.routes import app

            return app
        except Exception as error:
            text = board.traceback(error)
            print(text, end="")
            recovery.note_crash(text)
    from firmware.site.safe import app

    return app


def set_limits(app):
    """Let the settings have their say on the server's limits."""
    for name, value in settings.current["limits"].items():
        if value is not None:
            setattr(app.limits, name, value)


async def live(app, host, port, tls_port):
    """Run everything there is, until the server ends."""
    tls = redirect_port = None
    if tls_port:
        tls = certificate()
        if tls:
            port, redirect_port = tls_port, port

    def ready():
        print("http%s://%s/" % ("s" if tls else "", place(host, port)))
        tasks.start("memory", lambda: memory.watch(app.server))
        tasks.start("recovery", lambda: recovery.settle(app.server))
        if board.network_time:  # a board, not a laptop
            from firmware.site import radio

            radio.start(app)

    try:
        await app.serve(host, port, ready, tls, redirect_port)
    finally:
        tasks.stop()


def certificate():
    """Return what makes connections secure, or None: a board is better reached without than not at all."""
    from firmware.features.tls import Context

    try:
        return Context(storage.folder + "/tls")
    except (OSError, ValueError) as error:
        if not board.network_time:  # a laptop, whose user has asked for it
            raise
        print("limpet: no HTTPS, the certificate in %s/tls cannot be used: %r" % (storage.folder, error))
        return None


def place(host, port):
    """Return host and port as an address has them."""
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


def reason(error, host, port):
    """Say in words why the server could not begin."""
    if error.errno == errno.EADDRINUSE:
        return "%s is in use: choose another --port, or end what listens there" % place(host, port)
    if error.errno == errno.ENOENT:
        return "no certificate in %s/tls: make one with `python3 -m tools cert`" % storage.folder
    return "cannot listen on %s: %s" % (place(host, port), error)


def complain(reason):
    """Say why there is no server, and return the exit status."""
    print("limpet:", reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    # A laptop tells its exit status; a board that failed starts anew, and one that was stopped gives its prompt.
    board.leave(main())
