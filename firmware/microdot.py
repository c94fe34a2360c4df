"""An application written for microdot, served by Limpet: its usual names, over ours. Loaded by those who import it.

    from firmware.microdot import Microdot, Response, send_file, with_sse      # in place of `from microdot import ...`

What is different: the connection is kept, and answers are framed by Limpet; the words of a status are the standard's
(`reason` goes to the page of an error); patterns are Limpet's (`<re:...>` is none); a cookie is SameSite=Lax unless
told; templates, sessions and log-in are the other modules' business. ssl: see `features.tls`.
"""

import asyncio

from firmware.features import answers
from firmware.http import cookies
from firmware.http.errors import HTTPError
from firmware.http.response import Response as _Response
from firmware.server import transport
from firmware.server.app import App


class HTTPException(HTTPError):
    """What `abort` raises: `status_code`, `reason`."""

    def __init__(self, status_code, reason=None):
        super().__init__(status_code, reason or "")
        self.status_code = status_code
        self.reason = reason


def abort(status_code, reason=None):
    """End the request with an error. Raises HTTPException."""
    raise HTTPException(status_code, reason)


class Response(_Response):
    """An answer: `status_code`, `headers` (a dict) and `body` may be changed until it is sent."""

    default_content_type = "text/plain"

    def __init__(self, body="", status_code=200, headers=None, reason=None):
        headers = dict(headers or {})
        is_json = type(body) is dict or type(body) is list
        if not is_json and body is not None and "content-type" not in [name.lower() for name in headers]:
            kind = self.default_content_type
            headers["Content-Type"] = kind + "; charset=UTF-8" if kind.startswith("text/") else kind
        super().__init__(body, status_code, headers)
        self.headers = headers

    @property
    def status_code(self):
        """The status."""
        return self.status

    @status_code.setter
    def status_code(self, value):
        self.status = value

    def set_cookie(
        self, cookie, value, path="/", domain=None, expires=None, max_age=None, secure=False, http_only=False
    ):
        """Set a cookie; `expires` is text, or anything else is left out: `max_age` (seconds) is what browsers go by."""
        made = cookies.build(cookie, value, max_age, path or "/", domain, secure, http_only)
        cookies.add(self, made + ("; Expires=" + expires if isinstance(expires, str) else ""))

    def delete_cookie(self, cookie, **options):
        """Have the client forget a cookie."""
        self.set_cookie(cookie, "", max_age=0, **options)

    @classmethod
    def redirect(cls, location, status_code=302):
        """Return a Response that sends the client elsewhere. Raises ValueError for a status that does not."""
        return cls(None, status_code, answers.redirect(location, status_code).headers)

    @classmethod
    def send_file(
        cls, filename, status_code=200, content_type=None, stream=None, max_age=None, compressed=None, file_extension=""
    ):
        """Return a Response with a file, or with what `stream` reads. Raises 404 where there is no such file.

        `compressed`: it is, by gzip, or as the text says; `file_extension`: an ending that the name has in the folder.
        """
        if content_type is None:
            from firmware.server.static import content_type as by_name

            content_type = by_name(filename).decode()
        headers = {"Content-Type": content_type}
        if compressed:
            headers["Content-Encoding"] = compressed if isinstance(compressed, str) else "gzip"
        if max_age is not None:
            headers["Cache-Control"] = "max-age=%d" % max_age
        if stream is not None:
            return cls(_pieces(stream), status_code, headers)
        found = answers.send_file(filename + file_extension, content_type)
        response = cls(found.body, status_code, headers)
        response.length = found.length
        return response


redirect = Response.redirect
send_file = Response.send_file


def _pieces(stream):
    try:
        while True:
            data = stream.read(1024)
            if not data:
                return
            yield data
    finally:
        stream.close()


class _Multi(dict):
    """Names and values; of a name that came twice the first, all of them by `getlist`."""

    def __init__(self, pairs):
        super().__init__()
        self._pairs = list(pairs)
        for name, value in self._pairs:
            if name not in self:
                self[name] = value

    def get(self, key, default=None, type=None):
        if key not in self:
            return default
        return self[key] if type is None else type(self[key])

    def getlist(self, key, type=None):
        return [value if type is None else type(value) for name, value in self._pairs if name == key]


class _G:
    """What handlers and hooks leave for each other."""


class Request:
    """A request as microdot has it: `args`, `form`, `json`, `cookies`, `g`, `client_addr` and so on.

    What is not here is taken from Limpet's own, which is `limpet`. `max_content_length` of the class bounds all bodies.
    """

    max_content_length = None

    def __init__(self, request, app):
        self.limpet = request
        self.app = app
        self.g = _G()

    def __getattr__(self, name):
        request = self.limpet
        kind = request.headers.get("content-type")
        if name == "args":
            value = _Multi(request.args.items())
        elif name == "form":
            value = _Multi(request.form.items()) if kind and "form" in kind else None
        elif name == "json":
            value = request.json if kind and "json" in kind else None
        elif name == "query_string":
            value = request.query.decode() or None
        elif name == "url":
            value = request.target.decode() + ("?" + request.query.decode() if request.query else "")
        elif name == "url_args":
            value = request.params or {}
        elif name == "client_addr":
            value = request.client, 0
        elif name == "content_type":
            value = kind
        elif name == "content_length":
            value = request.length or 0
        elif name == "stream":
            raise AttributeError("a route with stream=True, and request.limpet.stream()")
        else:
            return getattr(request, name)
        setattr(self, name, value)
        return value


def _request(app, request):
    """Return microdot's Request for ours: the same one for all handlers and hooks."""
    if not hasattr(request, "microdot"):
        request.microdot = Request(request, app)
    return request.microdot


def _answer(result):
    """Return the Response for what a handler has returned."""
    if isinstance(result, _Response):
        return result
    if type(result) is not tuple:
        return Response(result)
    if len(result) == 2 and type(result[1]) is dict:
        return Response(result[0], 200, result[1])
    return Response(*result)


def _then(result, change):
    """Return `change(result)`, once that is there."""
    return _later(result, change) if transport.is_pending(result) else change(result)


async def _later(pending, change):
    return change(await transport.settled(pending))


class Microdot(App):
    """An application: `route` and its like, hooks, error handlers, `mount`, `run`."""

    def route(self, url_pattern, methods=None, stream=False, schema=None):
        """Decorate a handler, `handler(request, **args)`."""

        def decorate(f):
            def handler(request, **args):
                return _then(f(_request(self, request), **args), _answer)

            App.route(self, url_pattern, methods or ("GET",), stream, schema)(handler)
            return f

        return decorate

    def before_request(self, f):
        """Decorate `f(request)`, which is called first; what it returns, if not None, is the answer."""

        def hook(request):
            return _then(f(_request(self, request)), lambda result: None if result is None else _answer(result))

        self.before(hook)
        return f

    def after_request(self, f):
        """Decorate `f(request, response)`, which is called before an answer is sent; it may return another."""

        def hook(request, response):
            if isinstance(response, Response):  # errors are `after_error_request`'s, which is not here
                result = f(_request(self, request), response)
                return _then(result, lambda result: None if result is None else _answer(result))

        self.after(hook)
        return f

    def errorhandler(self, status_code_or_exception_class):
        """Decorate `f(request)` for a status, or `f(request, exception)` for a class of exceptions."""

        def decorate(f):
            def page(request, error):
                request = _request(self, request)
                is_status = type(status_code_or_exception_class) is int
                return _then(f(request) if is_status else f(request, error), _answer)

            self.error(status_code_or_exception_class)(page)
            return f

        return decorate

    def mount(self, subapp, url_prefix="", local=False):
        """Serve another application below `url_prefix`."""
        App.mount(self, url_prefix, subapp)

    abort = staticmethod(abort)

    async def start_server(self, host="0.0.0.0", port=5000, debug=False, ssl=None):
        """Serve until `shutdown`, or until cancelled."""
        if ssl:
            raise ValueError("HTTPS: await app.serve(host, port, tls=features.tls.Context(folder))")
        if Request.max_content_length:
            self.limits.body_bytes = Request.max_content_length
        self._serving = asyncio.current_task()
        try:
            await self.serve(host, port, lambda: print("http://%s:%d/" % (host, port)) if debug else None)
        except asyncio.CancelledError:
            transport.forgive(self._serving)

    def run(self, host="0.0.0.0", port=5000, debug=False, ssl=None):
        """Serve until Ctrl-C, or `shutdown`."""
        try:
            transport.run(self.start_server(host, port, debug, ssl))
        except KeyboardInterrupt:
            pass

    def shutdown(self):
        """Stop serving; the request that asks for it is answered."""
        self._serving.cancel()


# -- what goes on for long


class SSE:
    """Where a handler sends its events to."""

    def __init__(self):
        self.event = asyncio.Event()
        self.queue = []
        self.is_over = False

    async def send(self, data, event=None, event_id=None, retry=None, comment=False):
        """Send an event; `data`: text, bytes, or a dict or list as JSON. `retry` is in seconds."""
        from firmware.features.sse import encode
        from firmware.http.response import encode_json

        if type(data) is dict or type(data) is list:
            data = encode_json(data)
        if comment:
            self.queue.append(b": " + (data.encode() if isinstance(data, str) else data) + b"\n\n")
        else:
            begin = b"" if retry is None else b"retry: %d\n" % (retry * 1000)
            self.queue.append(begin + encode(data, event, event_id))
        self.event.set()
        # The connection has its turn: a handler that sends without a pause is held up by its client.
        while len(self.queue) > 1 and not self.is_over:
            await transport.sleep_ms(10)


def with_sse(f):
    """Decorate `f(request, sse, **args)`, below its route: what it sends goes out as Server-Sent Events."""

    def handler(request, **args):
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        return Response(_events(f, request, args), 200, headers)

    return handler


async def _events(f, request, args):
    sse = SSE()

    async def work():
        try:
            await f(request, sse, **args)
        except Exception as error:
            transport.print_exception(error)
        finally:
            sse.is_over = True
            sse.event.set()

    task = asyncio.create_task(work())
    try:
        while sse.queue or not sse.is_over:
            if sse.queue:
                yield sse.queue.pop(0)
            else:
                sse.event.clear()
                await sse.event.wait()
    finally:
        sse.is_over = True
        task.cancel()


def with_websocket(f):
    """Decorate `f(request, ws, **args)`, below its route: `await ws.receive()`, `await ws.send(data)`."""

    def handler(request, **args):
        from firmware.server.upgrade import upgrade

        return upgrade(request.limpet, lambda _, socket, **args: f(request, _Socket(socket), **args), (), (), args)

    return handler


class _Socket:
    def __init__(self, socket):
        self.socket = socket
        self.send = socket.send
        self.close = socket.close

    async def receive(self):
        """Return the next message (text or bytes). Raises OSError once the connection is closed."""
        message = await self.socket.receive()
        if message is None:
            raise OSError("the connection is closed")
        return message
