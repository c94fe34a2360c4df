"""What users import, with types: for editors and pyright; no board has it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar, Union

from firmware.features.log import Log
from firmware.server.limits import Limits
from firmware.server.listener import Server

NAME: str
VERSION: str

Headers = dict[str, Any]
Body = Union[dict[Any, Any], list[Any], str, bytes, bytearray, None, Iterator[Any], AsyncIterator[Any]]
Answer = Union[Body, "Response", tuple[Body, int], tuple[Body, Headers], tuple[Body, int, Headers]]

# A decorator returns what it decorates.
_Handler = TypeVar("_Handler", bound=Callable[..., Union[Answer, Awaitable[Answer]]])
_Hook = TypeVar("_Hook", bound=Callable[..., Any])
_Task = TypeVar("_Task", bound=Callable[[], Awaitable[Any]])
_Talk = TypeVar("_Talk", bound=Callable[..., Awaitable[Any]])
_T = TypeVar("_T")

class HTTPError(Exception):
    """Raised anywhere below a request, it ends that with an error response of this status.

    `detail`: a sentence for the client; `headers`: a dict of further fields; `fields`: what is wrong with each member
    of the document that the client sent, {"name": "This is required."}.
    """

    status: int
    detail: str
    headers: dict[str, Any] | None
    fields: dict[str, str] | None
    def __init__(
        self, status: int, detail: str = "", headers: Headers | None = None, fields: dict[str, str] | None = None
    ) -> None: ...

class Args:
    """The parameters of a query or a form: `args["name"]` is the first value of a name, 400 where it is missing."""

    def __getitem__(self, name: str) -> str: ...
    def get(self, name: str, default: Any = None, type: Callable[[str], Any] | None = None) -> Any: ...
    def get_all(self, name: str) -> list[str]: ...
    def items(self) -> Iterator[tuple[str, str]]: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

class RequestHeaders:
    """The fields of a request, by names in any case."""

    def get(self, name: str, default: str | None = None) -> str | None: ...
    def __contains__(self, name: str) -> bool: ...
    def __getitem__(self, name: str) -> str: ...
    def items(self) -> Iterator[tuple[str, str]]: ...

class Request:
    """One request, as handlers and hooks get it. It is valid until its response is sent.

    - `method`: text. `path`: decoded once (text); `target`: as it came (bytes).
    - `args`: the query's parameters, an Args; `query`: as it came (bytes). `params`: what the route's pattern took.
    - `headers`: `headers.get("User-Agent")`, in any case, `"Range" in headers`, `headers.items()`.
    - `cookies`: {name: value}, of a name that came twice the first.
    - `body`: bytes. `json`: its value; 415 where its type is not JSON, 400 where it is not valid. `form`: its fields,
      an Args; 415 where it is no form or has a file, 400 for a bad one.
    - `client`: the client's address. `app`: the App whose route it is. `id`: where `requestid` is attached. `user`: who
      asks, behind a guard of `auth`.

    What is wrong with a request raises an HTTPError of that status where it is asked for: a handler need not look.
    """

    method: str
    target: bytes
    path: str
    query: bytes
    args: Args
    headers: RequestHeaders
    cookies: dict[str, str]
    body: bytes
    length: int | None
    json: Any
    form: Args
    params: dict[str, Any] | None
    client: str
    id: str | None
    app: App
    user: Any
    keep_alive: bool
    def field(self, name: bytes) -> bytes | None: ...
    def stream(self) -> AsyncIterator[memoryview]: ...
    def is_http_1_1(self) -> bool: ...

class Response:
    """What a handler answers, where a value is not enough.

    `body`: bytes, text, a dict or list (JSON), None, a generator of bytes or text, or a file that is open for reading,
    with `length` set to how many bytes of it are sent. `headers`: a dict of names to text, or to a list of texts for a
    field of several lines. `content_type` goes before the body's own. `sent`: for `done` hooks, bytes of the body.
    """

    status: int
    headers: dict[str, Any] | None
    content_type: str | bytes | None
    body: Any
    length: int | None
    sent: int | None
    def __init__(
        self,
        body: Any = b"",
        status: int = 200,
        headers: Headers | None = None,
        content_type: str | bytes | None = None,
    ) -> None: ...
    def set_header(self, name: str, value: str | list[str]) -> None: ...
    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age_s: int | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        http_only: bool = True,
        same_site: Literal["Strict", "Lax", "None"] = "Lax",
    ) -> None: ...

class App:
    """An application: routes, hooks, error pages.

    - `state`: an object for whatever handlers share: `app.state.count = 0`. Each application has its own.
    - `limits`: what the server bounds (see `firmware.server.limits`); to be set before serving.
    - `json_errors = True`: errors are JSON for every client, browsers too.
    - `can_go = True`: of a part that `lazy` loads: it knows nothing that is not stored, and may be forgotten.
    - `server`: while it serves: `server.requests`, `server.counters`. `log`: a `features.log.Log`, told of errors.
    """

    state: Any
    limits: Limits
    server: Server | None
    log: Log | None
    parent: App | None
    json_errors: bool
    can_go: bool
    def route(
        self, path: str, methods: Iterable[str] = ("GET",), stream: bool = False, schema: dict[str, Any] | None = None
    ) -> Callable[[_Handler], _Handler]: ...
    def get(self, path: str) -> Callable[[_Handler], _Handler]: ...
    def post(
        self, path: str, stream: bool = False, schema: dict[str, Any] | None = None
    ) -> Callable[[_Handler], _Handler]: ...
    def put(
        self, path: str, stream: bool = False, schema: dict[str, Any] | None = None
    ) -> Callable[[_Handler], _Handler]: ...
    def patch(
        self, path: str, stream: bool = False, schema: dict[str, Any] | None = None
    ) -> Callable[[_Handler], _Handler]: ...
    def delete(self, path: str) -> Callable[[_Handler], _Handler]: ...
    def websocket(
        self, path: str, protocols: Iterable[str] = (), origins: Iterable[str] = ()
    ) -> Callable[[_Talk], _Talk]: ...
    def static(self, prefix: str, folder: str, max_age_s: int = 0) -> None: ...
    def mount(self, prefix: str, child: App) -> None: ...
    def lazy(self, prefixes: Iterable[str], module: str, heap_bytes: int = 0) -> None: ...
    def before(self, hook: _Hook) -> _Hook: ...
    def after(self, hook: _Hook) -> _Hook: ...
    def done(self, hook: _Hook) -> _Hook: ...
    def background(self, function: _Task) -> _Task: ...
    def error(self, kind: int | type[Exception]) -> Callable[[_Hook], _Hook]: ...
    def root(self) -> App: ...
    async def serve(
        self,
        host: str = "0.0.0.0",
        port: int = 80,
        ready: Callable[[], Any] | None = None,
        tls: Any = None,
        redirect_port: int | None = None,
    ) -> None: ...
    def run(self, host: str = "0.0.0.0", port: int = 80) -> None: ...

def redirect(location: str, status: int = 302) -> Response: ...
def send_file(
    path: str, content_type: str | bytes | None = None, max_age_s: int = 0, download_as: str | None = None
) -> Response: ...
def escape(text: str) -> str: ...
def render(template: str, **values: Any) -> str: ...
def render_file(path: str, **values: Any) -> Response: ...
