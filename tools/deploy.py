"""Puts Limpet on a board: `python3 -m tools deploy`. What is there already is not sent again; settings and data stay.

Everything that changed is staged beside the tree that runs and verified there; one rename is the moment of change
(tools/manifest.py tells how). Pull the cable when you like: the board boots the old tree or the new one. Over the air
it is much the same, with a way back: tools/update.py.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import re
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tools import ROOT, console, manifest, mpy, ports, update
from tools.backup import DATA
from tools.board import Board, RemoteError
from tools.console import Failure

SETTINGS = "config.json"

# From reset to the server's first line: boot, the rescue window, imports.
START_TIMEOUT_S = 20
# From there to an address: two rounds of joining (firmware/board/joining.py), each up to 27 s.
JOIN_TIMEOUT_S = 60
# For the first page over the air.
ANSWER_TIMEOUT_S = 15
ANSWER_EVERY_S = 0.5

ADDRESS = re.compile(r"https?://[^\s/]+/")
# Where it listens, which is no address to go to.
ANYWHERE = ("http://0.0.0.0", "https://0.0.0.0")
ACCESS_POINT = "access point"
# Whether the image has the firmware in it, wherever boot.py has found one.
LOOK_FOR_FROZEN = """
import sys
sys.modules.pop("firmware", None)
_path = sys.path[:]
sys.path[:] = [".frozen"]
try:
    import firmware
    print(True)
except ImportError:
    print(False)
sys.path[:] = _path
"""
# The prompt's greeting: main.py has ended.
PROMPT = re.compile(r"MicroPython v\S+ on ")


def deploy(
    port: str, root: Path = ROOT, form: str = manifest.COMPILED, dry_run: bool = False, wifi: dict | None = None
) -> dict:
    """Bring the tree at `root` to the board and return what was done; see `--json`. Raises Failure.

    `form`: see `manifest.build`. `wifi`: a network to add to the board's settings, {"ssid", "password"}.
    """
    with Board(port) as board:
        console.note(f"{port}: {board.machine}, MicroPython {board.version}")
        plan = look(board, root, form)
        done = {
            **{"port": port, "machine": board.machine, "version": board.version},
            **{"files": len(plan.wanted), "sent": plan.send, "removed": plan.remove, "sent_bytes": 0},
            **{"networks": 0, "address": None, "reachable": None},
        }
        if dry_run:
            return done
        if not plan.is_done:
            done["sent_bytes"] = stage(board, plan)
        settings = None if wifi is None else add_network(board, wifi)
        if not plan.is_done:
            switch(board, plan)
        if settings is not None:
            board.replace(f"{DATA}/{SETTINGS}", settings)
        done["networks"] = len(_networks(_load(board, SETTINGS)))
        done["address"], done["reachable"] = start(board, done["networks"] > 0)
    return done


def look(board: Board, root: Path, form: str) -> manifest.Plan:
    """Return what is to be done to bring the tree at `root` to the board."""
    try:
        arch = mpy.architecture(board.mpy)
    except mpy.CompileError as error:
        raise Failure(f"{board.port}: {error}: put a newer MicroPython there (`python3 -m tools flash`).") from error
    if form == manifest.FROZEN and board.run(LOOK_FOR_FROZEN).strip() != b"True":
        raise Failure(f"{board.port}: the board's image has no firmware in it; README.md says how to make one.")
    wanted = manifest.build(root, arch, form)
    old = {}
    if board.hashes([manifest.MANIFEST])[manifest.MANIFEST]:
        old = manifest.parse(board.read(manifest.MANIFEST))
    return manifest.Plan(wanted, board.hashes(manifest.Plan.ask(wanted, old)), old)


def stage(board: Board, plan: manifest.Plan) -> int:
    """Bring what has changed into the staging folder, verify it there, and return how many bytes were sent.

    What a deployment that was cut off has left there is used, or removed.
    """
    board.make_folder(manifest.HOME.rstrip("/"))
    there = {path[len(manifest.HOME) :] for path in board.walk(manifest.HOME)} - {"manifest"}
    whole = plan.usable(_verified(board, plan, there & set(plan.staged)))
    # A journal that boot.py has left belongs to a boot.py that knows none: nothing has followed it. It goes, and a
    # trial ends, before the files do that they are about.
    for name in sorted(there - whole, key=lambda name: (name not in ("switch", "trial"), name)):
        board.remove(manifest.HOME + name)
    missing = [name for name in plan.staged if name not in whole]
    needed, free = plan.room(whole), board.free_bytes()
    if needed > free:
        raise Failure(
            f"Not enough room on the board: {needed // 1024:,} KB are needed, {free // 1024:,} KB are free. Nothing has"
            " changed; remove something (`mpremote ls`, `mpremote rm`)."
        )
    total = sum(len(plan.staged[name]) for name in missing)
    try:
        with console.progress(f"Sending {len(plan.send)} files, {total // 1024:,} KB", total) as bar:
            for name in missing:
                board.write(manifest.HOME + name, plan.staged[name], bar.advance)
    except RemoteError as error:
        with contextlib.suppress(Failure):
            for name in missing:
                board.run(f"_kind({ascii(manifest.HOME + name)}) is None or os.remove({ascii(manifest.HOME + name)})")
        raise Failure(f"{error} Nothing has changed.") from error
    damaged = set(missing) - _verified(board, plan, missing)
    if damaged:
        raise Failure(f"{len(damaged)} files have arrived damaged, nothing has changed: try again, with another cable.")
    return total


def _verified(board: Board, plan: manifest.Plan, names) -> set[str]:
    hashes = board.hashes([manifest.HOME + name for name in names])
    return {name for name in names if hashes[manifest.HOME + name] == manifest.sha256(plan.staged[name])}


def switch(board: Board, plan: manifest.Plan) -> None:
    """Change to the staged tree: the journal appears, and boot.py follows it. Raises Failure where it does not."""
    board.replace(manifest.JOURNAL, plan.journal)
    if "/boot.py" in plan.send:
        # It may be the first that knows journals. Its step is then done already.
        board.rename(manifest.HOME + plan.name("/boot.py"), "/boot.py")
    board.soft_reset()
    if board.hashes([manifest.JOURNAL])[manifest.JOURNAL]:
        raise Failure("boot.py has not completed the change: look at what it prints (`python3 -m tools monitor`).")


# -- settings


def ask_network(ssid: str) -> dict:
    """Ask for a network's password, without echo on a terminal, and return {"ssid", "password"}. Raises Failure."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"Password of {ssid} (none for an open network): ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    network = {"ssid": ssid, "password": password or None}
    _check({"networks": [network]})
    return network


def add_network(board: Board, network: dict) -> bytes:
    """Return the board's settings with the network at the head of those it knows. Raises Failure."""
    settings = _load(board, SETTINGS)
    others = [known for known in _networks(settings) if known.get("ssid") != network["ssid"]]
    settings["networks"] = [network, *others]
    _check(settings)
    return json.dumps(settings).encode()


def _load(board: Board, name: str) -> dict:
    """Return a document of the board, {} where there is none that can be read."""
    path = f"{DATA}/{name}"
    if board.hashes([path])[path] in (None, "/"):
        return {}
    try:
        document = json.loads(board.read(path))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _networks(settings: dict) -> list[dict]:
    known = settings.get("networks")
    return [item for item in known if isinstance(item, dict)] if isinstance(known, list) else []


def _check(settings: dict) -> None:
    from firmware.board import schema

    wrong = {}
    schema.read(settings, {}, wrong, True)
    if wrong:
        path = min(wrong)
        raise Failure(f"{wrong[path]} ({path})")


# -- the server


def start(board: Board, has_network: bool) -> tuple[str | None, bool | None]:
    """Reset the board and wait until its server answers; return its address, and whether this machine reaches it.

    None: no address is known, or the board's own access point has it. Not every network lets its members meet, so an
    address that does not answer is no failure of the board's. Raises Failure where no server starts.
    """
    console.note("Starting the server.")
    address, last = None, "it prints nothing"
    listens = False
    deadline = time.monotonic() + START_TIMEOUT_S
    for line in board.restart(START_TIMEOUT_S + JOIN_TIMEOUT_S):
        if PROMPT.match(line):
            break
        last = line or last
        found = ADDRESS.search(line)
        if found and found.group().startswith(ANYWHERE):
            deadline = time.monotonic() + JOIN_TIMEOUT_S
            listens = True
            if not has_network:
                break
        elif found:
            address = found.group()
            if ACCESS_POINT in line:
                return address, None
            break
        if time.monotonic() > deadline:
            break
    if not address:
        if listens:
            return None, None
        raise Failure(f"The files are there, but the server does not start (`python3 -m tools monitor` shows): {last}")
    return address, answers(address)


def answers(address: str) -> bool:
    """Tell whether a server answers at an address, with whatever status."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    # Never through a proxy: the board is next door.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        try:
            opener.open(address, timeout=ANSWER_TIMEOUT_S).close()
            return True
        except urllib.error.HTTPError:
            return True
        except (OSError, ValueError) as error:
            # A certificate of one's own making is an answer too.
            if isinstance(getattr(error, "reason", None), ssl.SSLError):
                return True
            time.sleep(ANSWER_EVERY_S)
    return False


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("deploy", "Put Limpet on a board: what changed is sent, settings and data stay.")
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    parser.add_argument(
        "--host",
        metavar="http://NAME.local",
        help="over the air: a board that serves there; asks for its password, or takes $LIMPET_PASSWORD, $LIMPET_TOKEN",
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be sent and removed")
    forms = parser.add_mutually_exclusive_group()
    for form, text in (
        (manifest.SOURCE, "send the source, not compiled: it needs more memory"),
        (manifest.FROZEN, "send the pages alone: the board's image has the firmware in it, which halves the memory"),
    ):
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=text)
    parser.set_defaults(form=manifest.COMPILED)
    parser.add_argument(
        "--wifi", metavar="SSID", help="a network to join; asks for its password, which only the board keeps"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that has boot.py, main.py and firmware/")
    console.add_json(parser)
    options = parser.parse_args(argv)
    if options.host and (options.wifi or options.port != "auto"):
        parser.error("--host goes over the air: --port and --wifi need the cable")
    if options.host:
        done = update.deploy(options.host, options.root, options.form, options.dry_run)
    else:
        port = ports.choose(options.port)
        wifi = ask_network(options.wifi) if options.wifi else None
        done = deploy(port, options.root, options.form, options.dry_run, wifi)
    if options.json:
        console.print_json(done)
    else:
        tell(done, options.dry_run)
    return 0


def tell(done: dict, dry_run: bool) -> None:
    """Say what was done."""
    sent, removed = done["sent"], done["removed"]
    if dry_run:
        for path in sent:
            console.say(f"send    {path}")
        for path in removed:
            console.say(f"remove  {path}")
        console.say(f"{len(sent)} of {done['files']} files would be sent, {len(removed)} removed.")
        return
    if sent or removed:
        text = f"{len(sent)} of {done['files']} files sent ({done['sent_bytes'] // 1024:,} KB), {len(removed)} removed."
    else:
        text = f"All {done['files']} files are there already: nothing was sent."
    console.say(f"{done.get('port') or done['host']}: {text}")
    if "host" in done:
        update.tell(done)
        return
    address = done["address"]
    if not address and done["networks"]:
        console.say("The server runs, but has joined no network yet: `python3 -m tools monitor` shows why.")
    elif not address:
        console.say(
            "The server runs, but knows no network: give one with --wifi SSID, or join its access point Limpet-XXXX,"
            " which opens after a minute."
        )
    elif done["reachable"] is None:
        console.say(f"The server runs on the board's own access point: join that, then open {address}", "green")
    elif done["reachable"]:
        console.say(f"The server answers: {address}", "green")
    else:
        console.say(f"The server runs at {address}, but does not answer this machine: are both in the same network?")
