from collections.abc import Callable
from typing import Any, Union

from firmware import App, Request

_Number = Union[int, float, None]

class Metrics:
    """What is counted, and `gauges`: (name, help, function) of each."""

    gauges: tuple[tuple[str, str, Callable[[], _Number]], ...]
    def answer(self, request: Request) -> Any: ...

def attach(app: App, path: str = "/metrics", **sources: Callable[[], Any]) -> Metrics: ...
def tell(app: App, **sources: Callable[[], Any]) -> Metrics: ...
