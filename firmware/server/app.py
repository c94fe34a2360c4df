"""What users import: App, its decorators, hooks and error pages, and how to run it.

A handler gets the request, and what its route's pattern took from the path by name. It may be `async`. It returns a
body (dict or list as JSON, text as HTML, bytes, None for 204), (body, status), (body, headers), (body, status,
headers), or a Response.
"""

from firmware.server import listener, loader  # noqa: F401 - what `opening` needs has to outlast it
from firmware.server.limits import Limits
from firmware.server.router import Router, Streaming


class App(Router):
    """An application: routes, hooks, error pages. Mount one below another with `app.mount("/prefix", other)`."""

    parent = None
    server = None
    log = None  # a `features.log.Log`, told of errors
    json_errors = False  # whether errors are JSON for every client, not only for one that prefers it (see `errors`)
    has_guard = False  # whether it asks for itself who may change something (`features.auth.token`)
    id_of = None  # gives a request its `id`, where `features.requestid` is attached
    fixed = None  # field lines of every response: of JSON, the same for all applications, and of others
    spared = ()  # functions that forget what can be loaded anew, called when memory is short
    chain = None  # what `hooks` returns
    # Most applications have none of these, and make them with the first.
    _hooks = (), (), ()  # before, after, done: its own
    _background = ()
    _tasks = ()  # the names of those of the background
    error_pages = {}  # by status, or class of exceptions: shared, and empty
    can_go = False  # whether a `loader.Part` may forget it while memory is short and no connection is at it

    def __getattr__(self, name):
        """Make `limits`, or `state`, an object for what handlers share, when it is first asked for."""
        if name == "limits":
            made = self.limits = Limits()
        elif name == "state":
            made = self.state = type("State", (), {})()
        else:
            raise AttributeError(name)
        return made

    def _hang(self, kind, hook):
        hooks = list(self._hooks)
        hooks[kind] += (hook,)
        self._hooks = tuple(hooks)
        self.forget_hooks()
        return hook

    def route(self, path, methods=("GET",), stream=False, schema=None):
        """Decorate a handler for `methods`, names or a single one, on `path` (see `router`).

        `stream`: the request's body is of any size, and the handler, an `async` one, reads it from `request.stream()`.
        `schema`: what `request.json` has to be, a table (see `http/validator.py`); the client gets 422 with the
        member's name for anything else, and the handler the document with its defaults filled in.
        """

        def decorate(handler):
            called = handler if schema is None else _checked(handler, schema)
            self.add(path, methods, Streaming(called) if stream else called)
            return handler

        return decorate

    def get(self, path):
        """Decorate the handler of GET (and HEAD) on `path`."""
        return self.route(path)

    def post(self, path, stream=False, schema=None):
        """Decorate the handler of POST on `path`."""
        return self.route(path, ("POST",), stream, schema)

    def put(self, path, stream=False, schema=None):
        """Decorate the handler of PUT on `path`."""
        return self.route(path, ("PUT",), stream, schema)

    def patch(self, path, stream=False, schema=None):
        """Decorate the handler of PATCH on `path`."""
        return self.route(path, ("PATCH",), stream, schema)

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
                from firmware.server.upgrade import upgrade

                return upgrade(request, handler, protocols, origins, params)

            self.add(path, ("GET",), shake_hands)
            return handler

        return decorate

    def static(self, prefix, folder, max_age_s=0):
        """Serve the files of `folder` below `prefix`; clients ask again after `max_age_s` seconds.

        Raises ValueError where there is no such folder.
        """
        from firmware.server.static import Static, check_folder

        check_folder(folder)
        Router.mount(self, prefix, Static(self, folder, max_age_s))

    def mount(self, prefix, child):
        """Serve another App below `prefix`, with this one's hooks around its own. An app is mounted once."""
        child.parent = self
        Router.mount(self, prefix, child)
        self.forget_hooks()

    def mount_router(self, prefix, router):
        """Have anything with a router's `search` answer below `prefix`."""
        Router.mount(self, prefix, router)

    def lazy(self, prefixes, module, heap_bytes=0):
        """Serve the `app` of a module, named as text, for the paths `prefixes`: loaded by who may ask (see `loader`).

        `heap_bytes`: what it takes on a board; with less free the answer is 503. 0: it is tried.
        """
        Router.mount(self, "/", loader.Part(self, prefixes, module, heap_bytes))

    def root(self):
        """Return the application that this one is a part of, or is."""
        return self.parent.root() if self.parent else self

    def spare(self):
        """Forget the parts that are not in use and `can_go`: memory is short, or another one is asked for."""
        try:
            self._recent.clear()
            for app in self.apps():
                for _, part in app._mounts:
                    one = getattr(part, "app", None)
                    if hasattr(part, "empty"):
                        part.empty()
                    elif one and one.can_go and not (self.server and self.server.is_at(one.apps())):
                        part.forget()
            for forget in self.spared:
                forget()
        except MemoryError:
            pass  # what is still there goes the next time

    def before(self, hook):
        """Decorate `hook(request)`, called with every head; what it returns, if not None, is the answer."""
        return self._hang(0, hook)

    def after(self, hook):
        """Decorate `hook(request, response)`, called before every response; it may return another."""
        return self._hang(1, hook)

    def background(self, function):
        """Decorate an `async` function without parameters that runs while the server does (see `tasks`)."""
        self._background += (function,)
        return function

    def done(self, hook):
        """Decorate `hook(request, response)`, called behind every response: `response.sent` tells the body's bytes.

        `request` is None where none could be read, `sent` None where the client was lost. A body that a handler
        returned as a dict, list or text is not kept for the hook.
        """
        return self._hang(2, hook)

    def error(self, kind):
        """Decorate `page(request, error)`, which answers in place of the plain error page.

        `kind`: a status, or a class of exceptions. What is answered has the error's status unless it has one of its
        own but 200; an exception that is no HTTPError has 500.
        """

        def decorate(page):
            if not self.error_pages:
                self.error_pages = {}
            self.error_pages[kind] = page
            return page

        return decorate

    def hooks(self):
        """Return ((before), (after), (done), fixed, id_of): the outer application's hooks around the inner one's."""
        if self.chain is None:
            own = self._hooks + (self.fixed, self.id_of)
            if self.parent is not None:
                outer = self.parent.hooks()
                # Most have nothing of their own.
                if own == App._hooks + (None, None):
                    own = outer
                else:
                    own = (
                        outer[0] + own[0],
                        own[1] + outer[1],
                        own[2] + outer[2],
                        own[3] or outer[3],
                        own[4] or outer[4],
                    )
            self.chain = own
        return self.chain

    def forget_hooks(self):
        """Put the hooks together anew, here and in what is mounted: there is one more, or one more application."""
        for app in self.apps():
            app.chain = None

    def apps(self):
        """Return this application and all that are mounted in it and loaded."""
        apps = [self]
        for _, child in self._mounts:
            child = getattr(child, "app", child)
            if isinstance(child, App):
                apps += child.apps()
        return apps

    async def serve(self, host="0.0.0.0", port=80, ready=None, tls=None, redirect_port=None):
        """Serve until cancelled. `ready()` is called once it listens. Raises OSError where the address is taken.

        `tls`: a `features.tls.Context`; plain requests to `redirect_port` are then sent to `port`.
        """
        loader.borrow("firmware.server.opening").begin(self, host, port, tls, redirect_port)
        self.begin_background(self)
        try:
            if ready:
                ready()
                ready = None  # with all that it holds
            await self.server.serve()
        finally:
            self.end_background(self.apps())
            self.server.close()

    def begin_background(self, part):
        """Start the background tasks of a part of this application, and of what is mounted in it."""
        for app in part.apps():
            if app._background:
                from firmware.server import tasks

                app._tasks = tasks.start_all(app._background, self.server.log_error)

    def end_background(self, apps):
        """End the background tasks of parts of this application."""
        for app in apps:
            if app._tasks:
                from firmware.server import tasks

                for name in app._tasks:
                    tasks.end(name)
                app._tasks = ()

    def run(self, host="0.0.0.0", port=80):
        """Serve until Ctrl-C; nothing else has to run."""
        # It is there for as long as that takes, and the site does without it.
        loader.borrow("firmware.server.running").run(self, host, port)


def _checked(handler, schema):
    def checked(request, **params):
        # Loaded by the first body that is to be checked.
        from firmware.http.validator import check

        request.json = check(schema, request.json)
        return handler(request, **params)

    return checked
