from collections.abc import AsyncIterator

from firmware import Request

class Part:
    """A field or a file of a form."""

    name: str
    filename: str | None
    safe_filename: str
    content_type: str | None
    async def text(self) -> str: ...
    async def save(self, path: str, max_bytes: int) -> int: ...

class Parts:
    """The parts of a form in the order they come in."""

    def __init__(self, request: Request) -> None: ...
    def __aiter__(self) -> AsyncIterator[Part]: ...
    async def __anext__(self) -> Part: ...
