"""Asks a board that serves how it is, over the network: `/healthz`, and `/api/status` for what it leaves out.

ask(address, timeout_s) -> Health        tell(health)
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from typing import NamedTuple

from tools import console

# For the first answer: it may have to load what answers.
TIMEOUT_S = 30
EVERY_S = 0.5


class Health(NamedTuple):
    """How a board is.

    `reachable`: it answers, with whatever status; `reasons`: what is not well, {what: why}; `left_out`: what it does
    without, being small.
    """

    reachable: bool
    reasons: dict[str, str]
    left_out: list[str]


def ask(address: str, timeout_s: float = TIMEOUT_S) -> Health:
    """Ask the board at an address ("http://192.168.1.23/") until it answers, for so long; once at least."""
    deadline = time.monotonic() + timeout_s
    opener = _opener()
    while True:
        try:
            with opener.open(address + "healthz", timeout=TIMEOUT_S):
                return Health(True, {}, _left_out(opener, address))
        except urllib.error.HTTPError as error:
            with error:
                return Health(True, _reasons(error), [])
        except (OSError, ValueError, http.client.HTTPException):
            if time.monotonic() >= deadline:
                return Health(False, {}, [])
            time.sleep(EVERY_S)


def tell(reasons: dict[str, str], left_out: list[str]) -> None:
    """Say what is not well, and what the board does without."""
    for name, reason in sorted(reasons.items()):
        console.say(f"It is not well: {name}: {reason}.", "yellow")
    if left_out:
        console.say(f"For want of memory it leaves out: {', '.join(left_out)}.", "yellow")


def _opener() -> urllib.request.OpenerDirector:
    # A certificate of one's own making will do, as nothing secret is said; and never through a proxy: it is next door.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))


def _reasons(error: urllib.error.HTTPError) -> dict[str, str]:
    """Return what is not well; nothing for one that knows no such address."""
    if error.code < 500:
        return {}
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return {str(name): str(reason) for name, reason in json.loads(error.read())["reasons"].items()}
    return {"server": f"{error.code} {error.reason}"}


def _left_out(opener: urllib.request.OpenerDirector, address: str) -> list[str]:
    """Return what the board leaves out; nothing where it does not tell."""
    try:
        with opener.open(address + "api/status", timeout=TIMEOUT_S) as answer:
            return [str(name) for name in json.load(answer)["left_out"]]
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        return []
