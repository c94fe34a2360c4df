"""Limpet: serves its site from a board, or from the simulated board of a laptop (`--help` tells how)."""

import errno
import sys

import firmware.board as board
from firmware.board import storage
from firmware.server import transport
from firmware.site.routes import app


def main():
    """Serve until told to stop; return the exit status."""
    options = board.options()
    host, port, data = options["host"], options["port"], options["data"]
    place = "%s:%d" % ("[%s]" % host if ":" in host else host, port)
    try:
        storage.use(data)
    except OSError as error:
        return complain("no data can be kept in %s: %s" % (data, error))
    try:
        board.run(app.serve(host, port, lambda: print("http://%s/" % place)), transport.run)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return complain("%s is in use: choose another --port, or end what listens there" % place)
        return complain("cannot listen on %s: %s" % (place, error))
    print("stopped")
    return 0


def complain(reason):
    """Say on one line why there is no server, and return the exit status."""
    print("limpet:", reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    # A board that exits starts anew; one that was stopped has to fall through to its prompt.
    status = main()
    if status:
        sys.exit(status)
