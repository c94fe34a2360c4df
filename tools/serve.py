"""Serves from this machine, and starts anew when a file changes: `python3 -m tools serve [FOLDER]`.

Runs main.py, which simulates the board, with the options that it knows itself; FOLDER is a project of one's own. Pages
are read from the disk at each request; what needs a new start is Python. A first start that fails ends the command, a
later one waits for the next change: the error is on the screen, and the file is being worked on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools import ROOT, console, interpreters
from tools import project as projects

# A look at a hundred files takes a millisecond.
LOOK_EVERY_S = 0.3
# Longer than main.py gives its requests to end.
STOP_TIMEOUT_S = 5

# With which main.py ends where it cannot start itself anew (firmware/board/simprocess.py).
RESTART_STATUS = 75

# main.py's own, which checks them: (option, what its value is called, help).
OPTIONS = (
    ("--host", "HOST", "address or name to listen on; 0.0.0.0 lets others in (default: 127.0.0.1)"),
    ("--port", "PORT", "TCP port (default: 8080)"),
    ("--tls-port", "PORT", "serve HTTPS there, with the certificate in DIR/tls"),
    ("--data", "DIR", "folder where the board keeps its files (default: .board, in the project's folder)"),
    ("--project", "DIR", "the same as FOLDER"),
)
# Where a project's board keeps its files.
DATA = ".board"


def watched(root: Path = ROOT, project: Path | None = None) -> dict[Path, tuple[int, int]]:
    """Return the files that main.py is made of, with what changes when one is written: {path: (time in ns, bytes)}."""
    found = {}
    own = [project / place for place in projects.files(project)[0]] if project else []
    for file in [root / "main.py", *(root / "firmware").rglob("*.py"), *own]:
        try:
            status = file.stat()
        except FileNotFoundError:
            continue  # an editor replaces it at this moment
        # Pages are read from the disk at each request. Which there are is seen at the start.
        is_page = project is not None and file.is_relative_to(project / projects.PAGES)
        found[file] = (0, 0) if is_page else (status.st_mtime_ns, status.st_size)
    return found


def serve(
    options: list[str], root: Path = ROOT, project: Path | None = None, interpreter: tuple = (sys.executable,)
) -> int:
    """Run main.py with these options until Ctrl-C; return the exit status."""
    process, status = None, None
    started = 0

    def look() -> dict:
        return watched(root, project)

    environment = {**os.environ, "MICROPYPATH": f"{root}:.frozen"}
    try:
        while True:
            seen = look()
            process = subprocess.Popen([*interpreter, str(root / "main.py"), *options], env=environment)
            started += 1
            while look() == seen:
                status = process.poll()
                if status == RESTART_STATUS:
                    break
                if status is not None and started == 1:
                    return status
                if status is not None:
                    console.note(f"Ended (exit status {status}); starting anew when a file changes.")
                    while look() == seen:
                        time.sleep(LOOK_EVERY_S)
                    break
                time.sleep(LOOK_EVERY_S)
            if status == RESTART_STATUS:
                status = None
                continue
            changed = {_shown(path, root, project) for path, _ in set(look().items()) ^ set(seen.items())}
            console.note(f"{', '.join(sorted(changed))} changed: starting anew.")
            _stop(process)
    except KeyboardInterrupt:
        return 0
    finally:
        if process:
            _stop(process)


def _shown(path: Path, root: Path, project: Path | None) -> str:
    base = project if project and path.is_relative_to(project) else root
    return path.relative_to(base).as_posix()


def _stop(process: subprocess.Popen) -> None:
    """End the server; a terminal's Ctrl-C has reached it already, and a second signal does no harm."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("serve", "Serve from this machine, and start anew when a file changes. Ctrl-C ends it.")
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="a project of your own, served before Limpet's pages"
    )
    parser.add_argument("--micropython", action="store_true", help="run it with MicroPython, as a board does")
    for option, value, text in OPTIONS:
        parser.add_argument(option, metavar=value, help=text)
    given = parser.parse_args(argv)
    project = None
    if given.folder and given.project:
        parser.error("--project is the same as FOLDER: give one of them")
    if given.folder or given.project:
        # Absolute: the console names its files so.
        project = projects.check(Path(given.folder or given.project)).resolve()
        given.project = str(project)
        given.data = given.data or str(project / DATA)
    words = []
    for option, _, _ in OPTIONS:
        value = getattr(given, option[2:].replace("-", "_"))
        if value is not None:
            words += [option, value]
    interpreter = interpreters.require("amd64") if given.micropython else [sys.executable]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as for Ctrl-C, and the server with us
    return serve(words, project=project, interpreter=tuple(interpreter))
