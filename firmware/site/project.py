"""A project: a folder with the user's application, which is served before the shipped site. Forgotten once attached.

    app.py      `app = App()`; its routes win
    www/        its pages win, too
    lib/        drivers and other modules that app.py imports

The whole shipped site is below /board/, even if the project uses the same paths. Its pages are at / as well, unless the
project has some there. A project that cannot be loaded is left out: the page and the log say why, in one line.
"""

import gc
import os
import sys

import firmware.board as board
from firmware import App
from firmware.board import recovery, settings
from firmware.server import loader
from firmware.server.static import Static
from firmware.site import guards, shipped

_PREFIX = "/board"
# Characters of an exception's text: they must fit into a line of the log.
_MAX_REASON = 200
# The heap that site/own.py takes.
_OWN_BYTES = 4096

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>The project does not start</title>
<link rel="icon" href="/board/favicon.svg">
<h1>The project does not start</h1>
<p>Its <code>app.py</code> could not be loaded:</p>
<pre>%s</pre>
<p>Mend it and deploy it again. <a href="/board/">The board's own pages</a> go on.</p>
</html>
"""


def attach(root, folder):
    """Put the project in `folder` before the site `root`. Raises OSError if there is no such folder."""
    names = os.listdir(folder)
    root.lazy(("/api/project", "/openapi.json"), "firmware.site.own", _OWN_BYTES)
    root._mounts.insert(0, root._mounts.pop())
    site = shipped.Shipped(root)
    first = [(_PREFIX, site)]
    reason = None
    has_page = False
    if "app.py" in names or "app.mpy" in names:
        before = settings.current
        try:
            guards.kept["app"] = own = _load(folder)
            has_page = own.search("/") is not None
            own.parent = root
            root.limits = own.limits
            first.append(("", own))
            if 404 in own.error_pages:
                root.error(404)(own.error_pages[404])
            for path in own.literals:
                if path in root.literals:
                    root.literals[path] = own.literals[path]
        except (Exception, SystemExit) as error:
            settings.current = before
            for name in ("firmware.settings", "firmware.sensors"):
                sys.modules.pop(name, None)
            reason = _tell(folder, error)
    if "www" in names:
        pages = Static(root, folder + "/www", 0)
        first.append(("", pages))
        if pages.search("/"):
            has_page = True
            if reason:
                root.get("/")(_broken(reason))
    if has_page:
        root._mounts.pop()  # the site's own pages, which routes.py mounts last
    root._mounts[:0] = first
    root._recent.clear()
    root.forget_hooks()
    guards.kept["project"] = {"error": reason, "has_page": has_page}


def _load(folder):
    """Import app.py, and return its `app`. Raises its exceptions; TypeError for no App, ValueError for a bad limit."""
    sys.path.append(folder + "/lib")
    sys.path.insert(0, folder)
    run = App.run
    App.run = _run
    try:
        app = getattr(loader.load("app"), "app", None)
    finally:
        App.run = run
        # The interpreter's modules come before files of the same name.
        sys.path.remove(folder)
        sys.path.append(folder)
    if not isinstance(app, App):
        raise TypeError("app.py makes no application: it needs `app = App()`")
    loader.borrow("firmware.server.opening").derive(app.limits)
    return app


def _run(app, *_, **__):
    raise TypeError("a project's app.py has no app.run: its `app` is served with the site")


def _tell(folder, error):
    """Report why the project is left out; return the reason as a line, "app.py, line 3: ..."."""
    # The reason may be a lack of memory: the project's memory is garbage now.
    gc.collect()
    trace = board.traceback(error)
    print(_own(trace, folder), end="")
    reason = _place(trace, folder) + type(error).__name__
    # CPython's SyntaxError contains its place, too, and its KeyError has quotes.
    said = str(error.args[0] if isinstance(error, KeyError) and error.args else getattr(error, "msg", error))
    said = said.split("\n")[0]
    if said:
        reason += ": " + said
    reason = reason[:_MAX_REASON]
    print("limpet: the project is left out:", reason)
    try:
        guards.log.error("the project is left out: " + reason)
    except MemoryError:
        pass  # the page shows it
    # A tree on trial is taken back.
    recovery.note_crash(reason)
    return reason


def _own(trace, folder):
    """Return a traceback from its first line in the project on; "" if it says no more than the reason."""
    lines = trace.split("\n")
    at = [number for number, line in enumerate(lines) if 'File "%s/' % folder in line]
    if not at:
        return trace
    return "" if len(at) == 1 else "\n".join(lines[:1] + lines[at[0] :])


def _place(trace, folder):
    """Return the last place in the project that a traceback names, "app.py, line 3: ", or ""."""
    found = ""
    start = 'File "%s/' % folder
    for line in trace.split("\n"):
        at = line.find(start)
        if at >= 0:
            words = line[at + len(start) :].split('"')
            number = words[1].split(",")[1] if len(words) > 1 and "," in words[1] else ""
            name = words[0]
            found = "%s,%s: " % (name[:-4] + ".py" if name.endswith(".mpy") else name, number)
    return found


def _broken(reason):
    """Return the handler of the page that replaces the project's own."""
    from firmware.server.errors import escape

    return lambda request: (_PAGE % escape(reason), 500)
