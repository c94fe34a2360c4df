from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

from firmware import App, Request
from firmware.features.sessions import Session, Sessions
from firmware.features.tokens import Tokens

_Handler = TypeVar("_Handler", bound=Callable[..., Any])

ADMIN: str

class User:
    """Who asks."""

    name: str
    role: Literal["read", "write", "admin"]
    by: Literal["session", "password", "token", "loopback"]
    session: Session | None

class Auth:
    """The guard that `protect` makes, from parts of one's own."""

    app: App
    log: Any
    def __init__(
        self,
        password: Callable[[], str | None],
        sessions: Sessions,
        tokens: Tokens | None = None,
        save_password: Callable[[str], Any] | None = None,
        attempts: Any = None,
        kept: dict[str, Any] | None = None,
    ) -> None: ...
    def protect(self, app: App, also: Iterable[str] = (), setup: Iterable[str] = ()) -> None: ...
    def required(self, role: Literal["read", "write", "admin"] = "read") -> Callable[[_Handler], _Handler]: ...
    def identify(self, request: Request) -> Any: ...
    def demand(self, request: Request, role: Literal["read", "write", "admin"] = "read") -> Any: ...

def protect(app: App, also: Iterable[str] = (), folder: str = "data") -> None: ...
def token(app: App, secret: str, reads: bool = True) -> None: ...
