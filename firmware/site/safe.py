"""Safe mode: a small application for a board whose site may be broken. It shows the state, and offers what a repair
needs: the files, the settings, a restart. The same clients are allowed as on the site.
"""

import firmware.board as board
from firmware import NAME, VERSION, App
from firmware.board import memory, recovery
from firmware.server import loader, tasks
from firmware.server.errors import escape
from firmware.site import guards  # noqa: F401 - it has to outlast `entrance`

app = App()
loader.borrow("firmware.site.entrance").attach(app)


@app.done
def count_repairs(request, response):
    """Note a request that changes something: safe mode then waits longer."""
    if request is not None and request.method not in ("GET", "HEAD", "OPTIONS") and response.status < 400:
        recovery.repairs += 1


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Limpet: safe mode</title>
<h1>Safe mode</h1>
<p>The board started several times without success, so its application was left out. The last thing it said:</p>
<pre>%s</pre>
<p>Deploy a repaired one. After ten quiet minutes it is tried again.</p>
</html>
"""


@app.get("/")
def page(request):
    """Return the page that explains safe mode."""
    crash = recovery.last_crash() or "nothing"
    return _PAGE % escape(crash)


@app.get("/api/status")
def status(request):
    """Return the state of the board, as far as it is known here."""
    return {
        "firmware": {"name": NAME, "version": VERSION},
        "python": board.python(),
        "board": board.NAME,
        "uptime_s": board.uptime_s(),
        "heap": board.heap(),
        "idf_heap": board.idf_heap(),
        "boot": recovery.report(),
        "tasks": tasks.report(),
        "memory": memory.report(),
    }


# As in `routes`: the repair must fit even if the site itself did not.
app.lazy(("/files", "/api/files"), "firmware.site.files", 8192)
app.lazy(("/api/settings", "/api/log", "/api/restart", "/board"), "firmware.site.system", 4096)
app.lazy(("/api/update",), "firmware.site.update", 10240)
