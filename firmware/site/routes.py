"""The shipped site: its pages; and where its parts are, loaded when they are asked for."""

from firmware import App
from firmware.server import loader
from firmware.server.router import Router
from firmware.server.static import Static
from firmware.site import guards  # noqa: F401 - it has to outlast `entrance`

app = App()
loader.borrow("firmware.site.entrance").attach(app)

# Paths, module, and what that takes of the heap with all that it brings; a test measures it.
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
# What serves the page is never forgotten: it has to come however many pieces the heap is in.
# `static` would refuse a tree without pages; this one still has its endpoints.
Router.mount(app, "/", Static(app, __file__[: __file__.rfind("routes.")] + "www", 0))
