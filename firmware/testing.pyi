from collections.abc import Mapping
from typing import Any, Literal, Union

from firmware import App

WHOLE: Literal["whole"]
BYTES: Literal["bytes"]
BEHIND: Literal["behind"]

class Answer:
    """What a client was answered."""

    status: int
    headers: dict[str, str]
    lines: list[tuple[str, str]]
    body: bytes
    text: str
    json: Any

class TestClient:
    """A client without a socket."""

    app: App
    feed: str
    cookies: dict[str, str]
    def __init__(
        self,
        app: App,
        feed: Literal["whole", "bytes", "behind"] = "whole",
        address: str = "127.0.0.1",
        timeout_s: int = 30,
    ) -> None: ...
    def __enter__(self) -> TestClient: ...
    def __exit__(self, *exception: object) -> None: ...
    def close(self) -> None: ...
    def get(self, path: str, **options: Any) -> Answer: ...
    def head(self, path: str, **options: Any) -> Answer: ...
    def post(self, path: str, **options: Any) -> Answer: ...
    def put(self, path: str, **options: Any) -> Answer: ...
    def patch(self, path: str, **options: Any) -> Answer: ...
    def delete(self, path: str, **options: Any) -> Answer: ...
    def options(self, path: str, **options: Any) -> Answer: ...
    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Union[bytes, str, None] = None,
        json: Any = None,
        form: Mapping[str, object] | None = None,
        until: bytes | None = None,
    ) -> Answer: ...
    def raw(self, data: bytes) -> bytes: ...
