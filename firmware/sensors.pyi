"""The types of firmware/sensors.py: sensors of a project."""

from collections.abc import Awaitable, Callable
from typing import Union

Value = Union[float, bool, None]

def add(
    name: str,
    unit: str,
    read: Callable[[], Union[Value, Awaitable[Value]]],
    every_s: int = 1,
    title: str | None = None,
) -> None: ...
def values() -> dict[str, Value]: ...
def names() -> list[str]: ...
