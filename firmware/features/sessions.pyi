from collections.abc import Callable
from typing import Any

MAX_AGE_S: int

class Session:
    """A session that holds."""

    user: str
    role: str
    expires_s: int
    id: str

class Sessions:
    """Makes and reads session cookies."""

    cookie: str
    def __init__(
        self,
        store: Any,
        unix_time: Callable[[], int | None],
        uptime_s: Callable[[], int],
        secure: bool = False,
        max_age_s: int = ...,
        kept: dict[str, Any] | None = None,
    ) -> None: ...
    def begin(self, user: str, role: str, bound_to: bytes) -> str: ...
    def read(self, field: bytes | None, bound_to: bytes) -> Session | None: ...
    def end(self, session: Session) -> None: ...
    def end_all(self) -> None: ...
    def clear(self) -> str: ...
