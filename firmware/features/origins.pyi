from collections.abc import Iterable

from firmware import App, Request

SAFE: tuple[str, ...]

def refuse_foreign(request: Request, allowed: Iterable[str] = ()) -> None: ...
def protect(app: App, allowed: Iterable[str] = ()) -> None: ...
