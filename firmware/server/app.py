"""What users import: App, its decorators, hooks and error pages, and how to run it.

A handler gets the request, and what its route's pattern took from the path by name. It may be `async`. It returns a
body (dict or list as JSON, text as HTML, bytes, None for 204), (body, status), (body, status, headers), or a Response.
"""

import asyncio

from firmware import NAME, VERSION
from firmware.server import transport
from firmware.server.limits import Limits
from firmware.server.listener import Server
from firmware.server.router import Router, Streaming


class App(Router):
    """An application: routes, hooks, error pages. Mount one below another with `app.mount("/prefix", other)`."""

    parent = None
    server = None
    log = None  # a `features.log.Log`, told of errors
    id_of = None  # gives a request its `id`, where `features.requestid` is attached
    lazy_one = None  # the `lazy.Lazy` in whose place this stands
    can_go = False  # whether that may forget it while memory is short and no connection is at it

    def __init__(self):
        super().__init__()
        self.limits = Limits()
        self._hooks = [], [], []  # before, after, done
        self._errors = {}
        self._background = []
        self._tasks = ()  # those of the background

    def route(self, path, methods=("GET",), stream=False):
        """Decorate a handler for `methods` on `path` (see `router`).

        `stream`: the request's body is of any size, and the handler, an `async` one, reads it from `request.stream()`.
        """

        def decorate(handler):
            self.add(path, methods, Streaming(handler) if stream else handler)
            return handler

        return decorate

    def get(self, path):
        """Decorate the handler of GET (and HEAD) on `path`."""
        return self.route(path)

    def post(self, path, stream=False):
        """Decorate the handler of POST on `path`."""
        return self.route(path, ("POST",), stream)

    def put(self, path, stream=False):
        """Decorate the handler of PUT on `path`."""
        return self.route(path, ("PUT",), stream)

    def patch(self, path, stream=False):
        """Decorate the handler of PATCH on `path`."""
        return self.route(path, ("PATCH",), stream)

    def delete(self, path):
        """Decorate the handler of DELETE on `path`."""
        return self.route(path, ("DELETE",))

    def websocket(self, path, protocols=(), origins=()):
        """Decorate `handler(request, socket)` of the WebSocket at `path` (see `websocket`).

        `protocols`: the subprotocols it speaks; `origins`: whose pages may connect, besides those of this server.
        """

        def decorate(handler):
            def shake_hands(request, **params):
                # Loaded by the first that comes.
                from firmware.server.websocket import upgrade

                return upgrade(request, handler, protocols, origins, params)

            self.add(path, ("GET",), shake_hands)
            return handler

        return decorate

    def static(self, prefix, folder, max_age_s=0):
        """Serve the files of `folder` below `prefix`; clients ask again after `max_age_s` seconds."""
        from firmware.server.static import Static

        Router.mount(self, prefix, Static(self, folder, max_age_s))

    def mount(self, prefix, child):
        """Serve another App below `prefix`, with this one's hooks around its own. An app is mounted once."""
        child.parent = self
        Router.mount(self, prefix, child)

    def lazy(self, prefixes, module):
        """Serve the `app` of a module, named as text, for the paths `prefixes`; it is loaded by the first request."""
        from firmware.server.lazy import Lazy

        Router.mount(self, "/", Lazy(self, prefixes, module))

    def replace(self, old, new):
        """Have a loaded application stand where its `lazy.Lazy` did, or the other way about, or raise MemoryError."""
        mounts = [(prefix, new if mounted is old else mounted) for prefix, mounted in self._mounts]
        root = self.root()
        # What was searched before may lie there.
        root._recent.clear()
        if root.server:
            # Hooks count from this request on; the next sweep sees whether there are any.
            root.server.hooked = True
        self._mounts = mounts

    def root(self):
        """Return the application that this one is a part of, or is."""
        return self.parent.root() if self.parent else self

    def spare(self):
        """Forget what `lazy` has loaded, `can_go`, and is not in use: memory is short."""
        try:
            for app in self._apps():
                parts = app._apps()
                if app.can_go and app.lazy_one and not (self.server and self.server.is_at(parts)):
                    app.lazy_one.forget(app)
                    self.end_background(parts)
        except MemoryError:
            pass  # what is still there goes the next time

    def before(self, hook):
        """Decorate `hook(request)`, called with every head; what it returns, if not None, is the answer."""
        self._hooks[0].append(hook)
        return hook

    def after(self, hook):
        """Decorate `hook(request, response)`, called before every response; it may return another."""
        self._hooks[1].append(hook)
        return hook

    def background(self, function):
        """Decorate an `async` function without parameters that runs while the server does (see `background`)."""
        self._background.append(function)
        return function

    def done(self, hook):
        """Decorate `hook(request, response)`, called behind every response: `response.sent` tells the body's bytes.

        `request` is None where none could be read, `sent` None where the client was lost.
        """
        self._hooks[2].append(hook)
        return hook

    def error(self, status):
        """Decorate `page(request, error)`, which answers in place of the plain error page of `status`."""

        def decorate(page):
            self._errors[status] = page
            return page

        return decorate

    def hooks(self):
        """Return the hooks, ([before], [after], [done]): the outer app's around the inner one's."""
        own = self._hooks
        if self.parent is None:
            return own
        outer = self.parent.hooks()
        if any(own):
            return outer[0] + own[0], own[1] + outer[1], own[2] + outer[2]
        return outer

    def has_hooks(self):
        """Tell whether any hook is there, here or in what is mounted."""
        return any(any(app._hooks) for app in self._apps())

    def _apps(self):
        apps = [self]
        for _, child in self._mounts:
            if isinstance(child, App):
                apps += child._apps()
        return apps

    def error_page(self, status):
        """Return the page for a status, or None."""
        page = self._errors.get(status)
        return self.parent.error_page(status) if page is None and self.parent else page

    async def serve(self, host="0.0.0.0", port=80, ready=None, tls=None, redirect_port=None):
        """Serve until cancelled. `ready()` is called once it listens. Raises OSError where the address is taken.

        `tls`: a `features.tls.Context`; plain requests to `redirect_port` are then sent to `port`.
        """
        self.server = Server(self, "%s/%s" % (NAME, VERSION))
        self.server.open(host, port, tls, redirect_port)
        self.begin_background(self)
        try:
            if ready:
                ready()
            await self.server.serve()
        finally:
            self.end_background(self._apps())
            self.server.close()

    def begin_background(self, part):
        """Start the background tasks of a part of this application, and of what is mounted in it."""
        for app in part._apps():
            if app._background:
                from firmware.server.background import keep_going

                app._tasks = [asyncio.create_task(keep_going(self.server, function)) for function in app._background]

    def end_background(self, apps):
        """End the background tasks of parts of this application."""
        for app in apps:
            for task in app._tasks:
                task.cancel()
            app._tasks = ()

    def run(self, host="0.0.0.0", port=80):
        """Serve until Ctrl-C; nothing else has to run."""
        try:
            place = "[%s]" % host if ":" in host else host
            transport.run(self.serve(host, port, lambda: print("http://%s:%d/" % (place, port))))
        except (KeyboardInterrupt, asyncio.CancelledError):
            pass
        finally:
            if self.server:
                self.server.close()
