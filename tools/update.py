"""Puts Limpet on a board over the air: `python3 -m tools deploy --host http://NAME.local`.

What changed is staged there, verified, and changed to all at once when the board starts anew; new files that do not
come up are taken back by the board itself (firmware/site/update.py, firmware/board/update.py).

Who we are: the token in $LIMPET_TOKEN; else the administrator's password in $LIMPET_PASSWORD, or asked for without
echo where the board wants one. Neither is ever an argument: those are for all users of a machine to see.
"""

from __future__ import annotations

import base64
import contextlib
import getpass
import hashlib
import http.client
import io
import json
import os
import select
import socket
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tools import ROOT, console, health, manifest, memory, mpy, signing
from tools import project as projects
from tools.console import Failure

USER = "admin"

# The board hashes and copies its whole tree before it answers; a flash that is nearly full is slow.
TIMEOUT_S = 60
# A board that starts does not answer at all.
POLL_TIMEOUT_S = 5
POLL_EVERY_S = 0.5
# A start that fails for as long as boot.py lets it (240 s), and the one behind it.
COMES_BACK_S = 330

# A board lets in a burst of requests, and then some a second (firmware/site/guards.py).
BUSY_TRIES = 5
BUSY_AT_MOST_S = 10

# Of a file, between two movements of its progress.
PIECE_BYTES = 2048

# Where the shipped site is beside a project (firmware/site/project.py).
BESIDE = "/board"

NOTHING_CHANGED = "Nothing has changed."


class Refusal(Failure):
    """An answer that is none of success; `status` is its status."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


class Client:
    """Speaks with one board; `authorization` stands for the credentials of the environment.

    All raise Failure: Refusal for an answer, else for a board that cannot be reached.
    """

    def __init__(self, address: str, authorization: str | None = None):
        parts = urlsplit(address if "//" in address else "http://" + address)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise Failure(f"{address} is no address of a board: http://limpet.local is one.")
        if parts.username or parts.password:
            raise Failure("A password in an address is for all to see: put it into $LIMPET_PASSWORD.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.address = f"{parts.scheme}://{parts.netloc}/"
        self._host = parts.hostname
        # Never through a proxy: the board is next door.
        self._connection = kind(parts.hostname, port, timeout=TIMEOUT_S)
        self._credentials = authorization or credentials()
        self._prefix = ""

    def info(self) -> dict:
        """Return the state of the board's tree, after having asked for a password where the board wants one.

        A project may have this path for itself: then all that we ask for is below /board.
        """
        try:
            return self._info()
        except Refusal as error:
            if error.status != 401 or self._credentials or not sys.stdin.isatty():
                raise
        self._credentials = basic(getpass.getpass(f"Password of {self._host}: "))
        return self._info()

    def _info(self) -> dict:
        failure = None
        for self._prefix in ("", BESIDE):
            try:
                info = self.json("GET", "/api/update")
                if isinstance(info, dict) and "run" in info:
                    return info
                failure = failure or self._stranger()
            except Refusal as error:
                if error.status == 401:
                    raise
                failure = failure or error
        raise failure

    def _stranger(self) -> Refusal:
        return Refusal(200, f"What answers at {self.address} is no Limpet.")

    def json(self, method: str, path: str, document=None) -> dict:
        """Send a request with a JSON document, and return that of the answer."""
        body = None if document is None else json.dumps(document).encode()
        try:
            return json.loads(self.request(method, path, body, {"Content-Type": "application/json"}))
        except ValueError:
            raise self._stranger() from None

    def stage(self, name: str, data: bytes, told: Callable[[int], None] = lambda sent: None) -> None:
        """Send one file; `told` gets how many bytes of it are sent, again and again."""
        self.put(f"/api/update/files/{name}", data, told)

    def put(self, path: str, data: bytes, told: Callable[[int], None]) -> None:
        """Send bytes with their digest, which the board verifies; `told`: see `stage`."""
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        self.request("PUT", path, data, {"Content-Digest": f"sha-256=:{digest}:"}, told)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict | None = None,
        told: Callable[[int], None] = lambda sent: None,
    ) -> bytes:
        """Send a request and return the body of the answer; `told`: see `stage`."""
        for turn in range(BUSY_TRIES):
            status, reason, fields, data = self._request(method, path, body, headers, told)
            wait = fields.get("Retry-After", "")
            is_busy = status in (429, 503) and wait.isdigit() and int(wait) <= BUSY_AT_MOST_S
            if not is_busy or turn == BUSY_TRIES - 1:
                break
            time.sleep(int(wait))
        if 200 <= status < 300:
            return data
        raise Refusal(status, self._explain(status, reason, fields, data))

    def _request(self, method, path, body, headers, told):
        fields = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            fields["Content-Length"] = str(len(body))
            body = _pieces(body, told)
        if self._credentials:
            fields["Authorization"] = self._credentials
        if self._has_ended():
            self.close()
        try:
            self._connection.request(method, self._prefix + path, body, fields)
            with self._connection.getresponse() as answer:
                return answer.status, answer.reason, answer.headers, answer.read()
        except socket.gaierror:
            raise Failure(
                f"{self._host} is not known here: is the board in this network? Its address works as well as its name."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Failure(f"The board at {self.address} cannot be reached: {reason}.") from error
        finally:
            if sys.exc_info()[0]:
                self.close()

    def _has_ended(self) -> bool:
        """Return whether the board has closed the connection meanwhile, as it does with one that idles for seconds."""
        kept = self._connection.sock
        return kept is not None and bool(select.select([kept], [], [], 0)[0])

    def _explain(self, status, reason, fields, data) -> str:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            detail = json.loads(data)["error"]["detail"]
            if status == 401 and not self._credentials:
                detail = "it wants a password: put it into $LIMPET_PASSWORD, or a token into $LIMPET_TOKEN."
            return f"The board at {self.address} refuses: {detail}"
        if 300 <= status < 400:
            return f"The board at {self.address} sends us to {fields.get('Location')}: give that address."
        if status in (404, 405):
            return f"What answers at {self.address} takes no update over the air: deploy over the cable once."
        return f"The board at {self.address} answers {status} {reason}."

    def close(self) -> None:
        """Leave the board; the next request connects anew."""
        self._connection.close()

    def has_come_back(self, run: str) -> dict | None:
        """Return the state of the board's tree once it has started anew, None while it has not."""
        self._connection.timeout = POLL_TIMEOUT_S
        try:
            info = self._info()
        except Failure:
            return None
        finally:
            self.close()  # an idle connection is one of the few that a board has
            self._connection.timeout = TIMEOUT_S
        return None if info["run"] == run else info


def _pieces(body: bytes, told: Callable[[int], None]) -> Iterator[bytes]:
    """Yield a body in pieces, and tell how much was taken."""
    for at in range(0, len(body), PIECE_BYTES):
        yield body[at : at + PIECE_BYTES]
        told(min(at + PIECE_BYTES, len(body)))


def credentials() -> str | None:
    """Return the Authorization of the environment, or None."""
    token = os.environ.get("LIMPET_TOKEN")
    if token:
        if not token.isascii() or not token.isprintable():
            raise Failure("$LIMPET_TOKEN holds no token.")
        return f"Bearer {token}"
    return basic(password()) if password() else None


def password() -> str | None:
    """Return the administrator's password of the environment, or None."""
    return os.environ.get("LIMPET_PASSWORD") or None


def basic(password: str) -> str:
    """Return the Authorization of the administrator (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()


def deploy(
    address: str,
    root: Path = ROOT,
    form: str = manifest.COMPILED,
    dry_run: bool = False,
    force: bool = False,
    project: Path | None = None,
    is_alone: bool = False,
) -> dict:
    """Bring the tree at `root`, and the folder `project`, to the board at `address` and return what was done.

    As over the cable, a tree that the image has frozen in it is not sent, and one that needs too much memory is not
    either unless to `force` it. `is_alone`: a project that is there goes. See `--json`. Raises Failure.
    """
    projects.tell_left(project)
    client = Client(address)
    with contextlib.closing(client):
        info = client.info()
        image = info.get("frozen")  # which older ones do not tell
        form = manifest.choose(root, form, image["tree"] if image else None)
        memory.weigh(root, form, image, info.get("python_bytes"), force or dry_run)
        plan = look(client, info, root, form, project)
        projects.refuse_loss(plan.remove, project, is_alone)
        done = {
            **{"host": client.address, "image": image, "form": form},
            **{"files": len(plan.wanted), "sent": plan.send, "removed": plan.remove},
            **{"sent_bytes": 0, "tree": plan.tree, "address": client.address, "trial": info["state"] == "trial"},
            **{"reachable": True, "reasons": {}, "left_out": [], "project_error": None},
        }
        if dry_run:
            return done
        if plan.is_done:
            return {**done, **health.ask(client.address, 0)._asdict()}
        if info.get("signed"):
            plan.signature = sign(client, plan.tree)
        done["sent_bytes"] = stage(client, plan, info)
        console.note("Changing over.")
        switch(client, plan)
        done["trial"] = wait(client, plan, info["run"])["state"] == "trial"
    return {**done, **health.ask(client.address, 0)._asdict()}


def sign(client: Client, digest: str) -> dict:
    """Return the signature that the board asks for, of a SHA-256 in hex digits. Raises Failure without a key."""
    made = signing.sign(digest)
    if not made:
        raise Failure(
            f"The board at {client.address} takes signed updates alone, and there is no key in {signing.FOLDER}:"
            " $LIMPET_UPDATE_KEY names it."
        )
    return made


def pack(target: Path, arch: str | None, root: Path = ROOT, form: str = manifest.COMPILED, project=None) -> dict:
    """Write the tree at `root`, and the folder `project`, to a file that the page of a board takes; return what was.

    It is a tar file. Its first member, update.json, tells the hash of the manifest ("tree"), for which native code it
    is ("arch", as the board's .mpy format numbers it; 0 for any), what it needs of memory, of each staged file its path
    and hash, and the owner's signature, if there is a key. Raises Failure.
    """
    wanted = manifest.build(root, arch, form, project)
    plan = manifest.Plan(wanted, dict.fromkeys(manifest.Plan.ask(wanted, {})), {})
    paths = {plan.name(path): path for path in [*wanted, manifest.MANIFEST]}
    index = {
        "tree": plan.tree,
        "arch": mpy.ARCHITECTURES.index(arch) if arch else 0,
        "needed": memory.needed(root, form) or 0,
        "signature": signing.sign(plan.tree),
        "files": {name: [paths[name], manifest.sha256(data)] for name, data in plan.staged.items()},
    }
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in {"update.json": json.dumps(index).encode(), **plan.staged}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return {"file": str(target), "tree": plan.tree, "files": len(wanted)}


def look(client: Client, info: dict, root: Path, form: str, project: Path | None = None) -> Plan:
    """Return what is to be done to bring the tree at `root`, and the folder `project`, to the board."""
    is_compiled = form == manifest.COMPILED or project and form == manifest.FROZEN
    try:
        arch = mpy.architecture(info["mpy"] or 0) if is_compiled else None
    except mpy.CompileError as error:
        raise Failure(f"{client.address}: {error}: put a newer MicroPython there, or take --source.") from error
    there = {}
    for line in client.request("GET", "/api/update/files").decode("utf-8", "replace").splitlines():
        digest, _, path = line.partition(" ")
        there[path] = digest
    old = manifest.parse(client.request("GET", "/api/update/manifest")) if info["tree"] else {}
    client.close()  # compiling takes longer than the board waits for the next request
    wanted = manifest.build(root, arch, form, project)
    return Plan(wanted, {path: there.get(path) for path in manifest.Plan.ask(wanted, old)}, old, there)


class Plan(manifest.Plan):
    """A plan that knows what is staged already, {name: hash}; the board itself writes the journal."""

    def __init__(self, wanted, there, old, everything):
        super().__init__(wanted, there, old)
        self.signature = {}
        home = manifest.HOME
        self.staged_there = {path[len(home) :]: digest for path, digest in everything.items() if path.startswith(home)}


def stage(client: Client, plan: Plan, info: dict) -> int:
    """Send what is not staged yet, and return how many bytes that was."""
    there = {name: digest for name, digest in plan.staged_there.items() if name != "manifest" and name[0] != "~"}
    whole = {name for name in there if manifest.sha256(plan.staged.get(name, b"")) == there[name]}
    whole = plan.usable(whole & set(plan.staged))
    if set(there) - whole - {"switch", "trial"}:
        # The rests of another deployment.
        client.request("DELETE", "/api/update")
        whole = set()
    missing = [name for name in plan.staged if name not in whole]
    needed, free = plan.room(whole), info["free_bytes"]
    if free is not None and needed > free:
        raise Failure(
            f"Not enough room on the board: {needed // 1024:,} KB are needed, {free // 1024:,} KB are free."
            f" {NOTHING_CHANGED}"
        )
    total = sum(len(plan.staged[name]) for name in missing)
    with console.progress(f"Sending {len(plan.send)} files, {total // 1024:,} KB", total) as bar:
        for name in missing:
            before = bar.done
            try:
                client.stage(name, plan.staged[name], lambda sent, before=before: bar.update(before + sent))
            except Failure as error:
                raise Failure(f"{error} {NOTHING_CHANGED}") from error
    return total


def switch(client: Client, plan: Plan) -> None:
    """Have the board verify it all and change to it."""
    try:
        client.json("POST", "/api/update", {"manifest": plan.tree, **plan.signature})
    except Refusal as error:
        raise Failure(f"{error} {NOTHING_CHANGED}") from error
    except Failure as error:
        raise Failure(f"{error} It has all old files or all new ones: deploy again to see which.") from error


def wait(client: Client, plan: Plan, run: str) -> dict:
    """Wait until the board has started anew, and return its state. Raises Failure where it has not the new tree."""
    info = come_back(client, run, "New files that nobody reaches are")
    if info["tree"] == plan.tree:
        return info
    if info["state"] == "switching":
        raise Failure("boot.py has not completed the change: look at what it prints (`python3 -m tools monitor`).")
    raise Failure(f"The new files have not come up: the board has gone back to the old ones.{reason(client)}")


def come_back(client: Client, run: str, unreached: str) -> dict:
    """Wait until the board has started anew, and return its state. Raises Failure, which names the `unreached`."""
    deadline = time.monotonic() + COMES_BACK_S
    while time.monotonic() < deadline:
        info = client.has_come_back(run)
        if info:
            return info
        time.sleep(POLL_EVERY_S)
    raise Failure(
        f"The board at {client.address} does not answer any more. {unreached} taken back by the"
        " board itself: wait some minutes, or start it anew."
    )


def reason(client: Client) -> str:
    """Return why what is new has not come up, as far as the board knows."""
    with contextlib.suppress(Failure, LookupError, TypeError):
        crash = client.json("GET", "/api/status")["boot"]["last_crash"]
        return f" The last thing it has kept: {crash.strip().splitlines()[-1]}" if crash else ""
    return ""


def tell(done: dict) -> None:
    """Say where the board is and what becomes of the new files."""
    if done["trial"]:
        console.say(
            f"The new files run: {done['address']} They stay once they have run for a minute; if the board is started"
            " anew before, it goes back to the old ones.",
            "green",
        )
    else:
        console.say(f"The server answers: {done['address']}", "green")
    health.tell(done["reasons"], done["left_out"])
