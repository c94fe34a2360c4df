"""The shipped site: its pages, and the table of its parts, which are loaded on demand."""

from firmware import App
from firmware.server import loader
from firmware.server.router import Router
from firmware.server.static import Static
from firmware.site import guards  # noqa: F401 - it has to outlast `entrance`

app = App()
loader.borrow("firmware.site.entrance").attach(app)

# Paths, module, and the heap that the module takes with all its imports; a test measures it.
for _paths, _name, _bytes in (
    (("/api/status",), "status", 4096),
    (("/api/led", "/api/events", "/api/readings", "/api/readings.csv", "/ws"), "readings", 8192),
    (("/api/pins",), "pins", 4096),
    (("/api/settings", "/api/log", "/api/restart", "/board"), "system", 4096),
    (("/files", "/api/files"), "files", 8192),
    (("/users",), "users", 10240),
    (("/metrics",), "metrics", 6144),
    (("/api/update",), "update", 10240),
):
    app.lazy(_paths, "firmware.site." + _name, _bytes)
# The code that serves the page is never forgotten: the page must work however fragmented the heap is.
# `static` would refuse a tree without pages, but the endpoints still work without them.
Router.mount(app, "/", Static(app, __file__[: __file__.rfind("routes.")] + "www", 0))
