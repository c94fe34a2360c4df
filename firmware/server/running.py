"""`app.run`: an application that is all there is."""

import asyncio
import errno
import sys

from firmware.http.response import mistake
from firmware.server import transport


def run(app, host, port):
    """Serve `app` until Ctrl-C."""
    place = "[%s]" % host if ":" in host else host
    try:
        transport.run(app.serve(host, port, lambda: print("http://%s:%d/" % (place, port))))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    except OSError as error:
        if error.args[0] != errno.EADDRINUSE:
            raise
        print(mistake("port", (place, port)))
        sys.exit(1)
    finally:
        if app.server:
            app.server.close()
