"""Puts Limpet on a board: `python3 -m tools deploy`. What is there already is not sent again; settings and data stay.

Everything that changed is staged beside the tree that runs and verified there; one rename is the moment of change
(tools/manifest.py tells how). Pull the cable when you like: the board boots the old tree or the new one. Over the air
it is much the same, with a way back: tools/update.py.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, console, disk, health, listing, manifest, memory, mip, mpy, ports, update
from tools import board as boards
from tools import project as projects
from tools.backup import DATA
from tools.board import Board, RemoteError
from tools.console import Failure
from tools.health import Health

SETTINGS = "config.json"

# From reset to the server's first line: boot, the rescue window, imports.
START_TIMEOUT_S = 60
# From there to an address: two rounds of joining (firmware/board/joining.py), each up to 27 s.
JOIN_TIMEOUT_S = 60

ADDRESS = re.compile(r"https?://[^\s/]+/")
# Where it listens, which is no address to go to.
ANYWHERE = ("http://0.0.0.0", "https://0.0.0.0")
ACCESS_POINT = "access point"
# At the next start a trial begins (`keep`).
BEGIN_TRIAL = b"~back /.limpet/trial\n"
# What scripts get of a deployment, before anything is done.
NOTHING_DONE = {
    **{"sent": [], "removed": [], "sent_bytes": 0, "trial": False, "restarted": True},
    **{"networks": 0, "address": None, "console": [], "reachable": None, "reasons": {}, "left_out": []},
    **{"project_error": None},
}
# Of what the console says, where nothing answers.
SHOWN_LINES = 10
# What boot.py says while it changes from one tree to another.
STEP = re.compile(r"limpet: changing over, (\d+) of \d+")
# What it says of a project that cannot be loaded (firmware/site/project.py).
LEFT_OUT = re.compile(r"limpet: the project is left out: (.*)")
# The prompt's greeting: main.py has ended.
PROMPT = re.compile(r"MicroPython v\S+ on ")


def deploy(
    port: str,
    root: Path = ROOT,
    form: str = manifest.COMPILED,
    dry_run: bool = False,
    wifi: dict | None = None,
    force: bool = False,
    project: Path | None = None,
    is_alone: bool = False,
) -> dict:
    """Bring the tree at `root`, and the folder `project`, to the board and return what was done; see `--json`.

    `form`: COMPILED or SOURCE; where the board's image has this very tree frozen in it, its modules are not sent.
    `wifi`: a network to add to the board's settings, {"ssid", "password"}. `force`: whatever the tree needs of memory.
    `is_alone`: a project that is there goes. Raises Failure.
    """
    projects.tell_left(project)
    build = functools.lru_cache(functools.partial(manifest.build, project=project))
    if not (dry_run or wifi):
        done = find_unchanged(port, root, form, build)
        if done:
            return done
    with Board(port) as board:
        console.note(f"{port}: {board.machine}, MicroPython {board.version}")
        image = board.image()
        form = manifest.choose(root, form, image["tree"] if image else None)
        python_bytes = memory.python_bytes(board.memory())
        memory.weigh(root, form, image, python_bytes, force or dry_run)
        plan = look(board, root, form, build)
        projects.refuse_loss(plan.remove, project, is_alone)
        done = {
            **NOTHING_DONE,
            **{"port": port, "machine": board.machine, "version": board.version, "image": image, "form": form},
            **{"python_bytes": python_bytes, "needed_bytes": memory.needed(root, form)},
            **{"files": len(plan.wanted), "sent": plan.send, "removed": plan.remove},
        }
        if dry_run:
            return done
        if not plan.is_done:
            done["sent_bytes"] = stage(board, plan)
        settings = None if wifi is None else add_network(board, wifi)
        if not plan.is_done:
            done["trial"] = image is not None and form != manifest.FROZEN and keep(board, plan)
            switch(board, plan)
        if settings is not None:
            board.replace(f"{DATA}/{SETTINGS}", settings)
        done["networks"] = len(_networks(_load(board, SETTINGS)))
        if done["trial"]:
            board.replace(manifest.JOURNAL, BEGIN_TRIAL)
        started = start(board, done["networks"] > 0)
    if started.failure and done["trial"]:
        # A start that finds a trial which was not ended goes back.
        with Board(port):
            pass
        raise Failure(f"{started.failure} The board has gone back to the firmware of its image.")
    if started.failure:
        raise Failure(started.failure)
    done.update({"address": started.address, "console": started.console, "project_error": started.project_error})
    if started.health:
        done.update(started.health._asdict())
    return done


def find_unchanged(port: str, root: Path, form: str, build: Callable) -> dict | None:
    """Return what was done, nothing, for a board that serves and has all of the tree already; it goes on serving."""
    serving = boards.ask_serving(port)
    if serving is None:
        return None
    about, there = serving
    form = manifest.choose(root, form, about["image"]["tree"] if about["image"] else None)
    try:
        wanted = build(root, mpy.architecture(about["mpy"] or 0), form)
        hashes = {path: manifest.sha256(data) for path, data in wanted.items()}
        plan = manifest.Plan(wanted, {path: there.get(path) for path in manifest.Plan.ask(wanted, hashes)}, hashes)
    except (Failure, mpy.CompileError):
        return None  # it will be said to a board that has stopped
    if not plan.is_done or there.get(manifest.MANIFEST) != plan.tree:
        return None
    done = {
        **NOTHING_DONE,
        **{"port": port, "form": form, "files": len(wanted), "needed_bytes": memory.needed(root, form)},
        **{name: about[name] for name in ("machine", "version", "image", "python_bytes", "networks", "address")},
        "restarted": False,
    }
    return {**done, **health.ask(about["address"])._asdict()} if about["address"] else done


def look(board: Board, root: Path, form: str, build: Callable = manifest.build) -> manifest.Plan:
    """Return what is to be done to bring the tree at `root` to the board."""
    try:
        arch = mpy.architecture(board.mpy)
    except mpy.CompileError as error:
        raise Failure(f"{board.port}: {error}: put a newer MicroPython there (`python3 -m tools flash`).") from error
    wanted = build(root, arch, form)
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


def keep(board: Board, plan: manifest.Plan) -> bool:
    """Have the board keep the way back to its image, where there was no tree before; return whether there was none.

    Unlike a tree over the air one that comes by the cable need not have been reached: it is enough that it serves.
    """
    way = plan.way_back()
    if way is None:
        return False
    for path, name in way.kept.items():
        board.run(f"_copy({path!a}, {manifest.HOME + name!a})", doing=f"Cannot keep {path}")
    for name, data in way.files.items():
        board.write(manifest.HOME + name, data)
    return True


def switch(board: Board, plan: manifest.Plan) -> None:
    """Change to the staged tree: the journal appears, and boot.py follows it. Raises Failure where it does not."""
    board.replace(manifest.JOURNAL, plan.journal)
    if "/boot.py" in plan.send:
        # It may be the first that knows journals. Its step is then done already.
        board.rename(manifest.HOME + plan.name("/boot.py"), "/boot.py")
    last = "it prints nothing"
    with console.progress("Changing over", plan.steps, "steps") as bar:

        def told(line: str) -> None:
            nonlocal last
            found = STEP.match(line)
            if found:
                bar.update(int(found.group(1)))
            last = line or last

        board.soft_reset(told)
    if board.hashes([manifest.JOURNAL])[manifest.JOURNAL]:
        raise Failure(f"boot.py has not completed the change: {last}")


# -- settings


def ask_network(ssid: str) -> dict:
    """Return {"ssid", "password"} of a network: $LIMPET_WIFI_PASSWORD, or what is typed. Raises Failure.

    A terminal is asked without echo; else it is a line of the standard input. An open network's is empty.
    """
    password = os.environ.get("LIMPET_WIFI_PASSWORD")
    if password is None and sys.stdin.isatty():
        password = getpass.getpass(f"Password of {ssid} (none for an open network): ")
    elif password is None:
        line = sys.stdin.readline()
        if not line:
            raise Failure(f"There is nobody to ask for the password of {ssid}: put it into $LIMPET_WIFI_PASSWORD.")
        password = line.rstrip("\r\n")
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


class Started(NamedTuple):
    """How a start went.

    `failure`: in a line, None where the server runs; `address`: None where none is known; `health`: what it answers
    this machine, None where that cannot be; `console`: the last lines; `project_error`: why the project is left out.
    """

    failure: str | None
    address: str | None
    health: Health | None
    console: list[str]
    project_error: str | None = None


def start(board: Board, has_network: bool) -> Started:
    """Reset the board, wait until its server runs, and ask for its health over the network.

    Not every network lets its members meet, so an address that does not answer is no failure of the board's.
    """
    console.note("Starting the server.")
    return follow(board.restart(START_TIMEOUT_S + JOIN_TIMEOUT_S), has_network)


def follow(lines: Iterator[str], has_network: bool) -> Started:
    """Read what a board prints that starts, until its server runs, and ask for its health. See `start`."""
    address, said = None, []
    listens = False
    project_error = None
    deadline = time.monotonic() + START_TIMEOUT_S
    for line in lines:
        if PROMPT.match(line):
            break
        if line:
            said = [*said[1 - SHOWN_LINES :], line]
            is_out = LEFT_OUT.match(line)
            project_error = is_out.group(1) if is_out else project_error
        found = ADDRESS.search(line)
        if found and found.group().startswith(ANYWHERE):
            deadline = time.monotonic() + JOIN_TIMEOUT_S
            listens = True
            if not has_network:
                break
        elif found:
            address = found.group()
            if ACCESS_POINT in line:
                return Started(None, address, None, said, project_error)
            break
        if time.monotonic() > deadline:
            break
    if address:
        return Started(None, address, health.ask(address), said, project_error)
    if listens:
        return Started(None, None, None, said, project_error)
    last = said[-1] if said else "it prints nothing"
    failure = f"The files are there, but the server does not start (`python3 -m tools monitor` shows): {last}"
    return Started(failure, None, None, said)


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("deploy", "Put Limpet on a board: what changed is sent, settings and data stay.")
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="a project of your own, put there too")
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    parser.add_argument(
        "--host",
        metavar="http://NAME.local",
        help="over the air: a board that serves there; asks for its password, or takes $LIMPET_PASSWORD, $LIMPET_TOKEN",
    )
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="write a file that the page of a board with --chip takes"
    )
    parser.add_argument("--chip", choices=listing.CHIPS, help="for --to")
    parser.add_argument("--dry-run", action="store_true", help="tell what would be sent and removed; change nothing")
    parser.add_argument(
        "--source",
        action="store_const",
        const=manifest.SOURCE,
        default=manifest.COMPILED,
        dest="form",
        help="send the source instead of compiled files: it needs more memory",
    )
    parser.add_argument("--force", action="store_true", help="send it even if it needs more memory than there is")
    parser.add_argument(
        "--wifi", metavar="SSID", help="a network to join; asks for its password, or takes $LIMPET_WIFI_PASSWORD"
    )
    parser.add_argument(
        "--mip",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="fetch a package of micropython-lib, NAME or NAME@VERSION, into the project's lib/",
    )
    parser.add_argument("--no-project", action="store_true", help="remove the project that the board has")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that has boot.py, main.py and firmware/")
    console.add_json(parser)
    options = parser.parse_args(argv)
    if options.host and (options.wifi or options.port != "auto"):
        parser.error("--host goes over the air: --port and --wifi need the cable")
    if options.to and (options.host or options.wifi or options.dry_run):
        parser.error("--to only writes a file: --host, --wifi and --dry-run are not for it")
    if options.to and not options.chip and options.form != manifest.SOURCE:
        parser.error("--to FILE goes with --chip")
    if options.folder and options.no_project or options.mip and not options.folder:
        parser.error("--mip goes with the FOLDER of a project, and --no-project does not")
    if options.folder:
        projects.check(options.folder)
    for package in options.mip:
        mip.fetch(package, options.folder)
    if options.to:
        arch = None if options.form == manifest.SOURCE else disk.architecture(options.chip)
        done = update.pack(options.to, arch, options.root, options.form, options.folder)
        console.print_json(done) if options.json else console.say(f"{options.to}: {done['files']} files.", "green")
        return 0
    more = {"project": options.folder, "is_alone": options.no_project}
    if options.host:
        done = update.deploy(options.host, options.root, options.form, options.dry_run, options.force, **more)
    else:
        port = ports.choose(options.port)
        wifi = ask_network(options.wifi) if options.wifi else None
        done = deploy(port, options.root, options.form, options.dry_run, wifi, options.force, **more)
    if options.json:
        console.print_json({**done, "not_sent": projects.files(options.folder)[1] if options.folder else []})
    else:
        tell(done, options.dry_run)
    if done["project_error"]:
        raise Failure(f"The project does not start: {done['project_error']}")
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
        if not done.get("restarted", True):
            text = f"All {done['files']} files are there already: nothing was sent, and the server goes on."
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
        health.tell(done["reasons"], done["left_out"])
    else:
        console.say("The server does not answer this machine: are both in the same network? The board's console said:")
        for line in done["console"]:
            console.say(f"    {line}")
    if done["trial"]:
        console.say(
            "The new files stay once they have run for a minute; if the board is started anew before, it goes back to"
            " the firmware of its image."
        )
