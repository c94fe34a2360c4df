from collections.abc import Iterable
from typing import Literal, Union

from firmware import App

def allow(
    app: App,
    origins: Union[Iterable[str], Literal["*"]],
    credentials: bool = False,
    headers: str = ...,
    expose: str = "",
    max_age_s: int = ...,
) -> None: ...
