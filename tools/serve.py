"""Serves from this machine, and starts anew when a file changes: `python3 -m tools serve`.

Runs main.py, which simulates the board, with the options that it knows itself. Pages are read from the disk at each
request; what needs a new start is Python. A first start that fails ends the command, a later one waits for the next
change: the error is on the screen, and the file is being worked on.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tools import ROOT, console

# A look at a hundred files takes a millisecond.
LOOK_EVERY_S = 0.3
# Longer than main.py gives its requests to end.
STOP_TIMEOUT_S = 5

# main.py's own, which checks them: (option, what its value is called, help).
OPTIONS = (
    ("--host", "HOST", "address or name to listen on; 0.0.0.0 lets others in (default: 127.0.0.1)"),
    ("--port", "PORT", "TCP port (default: 8080)"),
    ("--tls-port", "PORT", "serve HTTPS there, with the certificate in DIR/tls"),
    ("--data", "DIR", "folder where the board keeps its files (default: .board)"),
)


def watched(root: Path = ROOT) -> dict[Path, tuple[int, int]]:
    """Return the files that main.py is made of, with what changes when one is written: {path: (time in ns, bytes)}."""
    found = {}
    for file in [root / "main.py", *(root / "firmware").rglob("*.py")]:
        try:
            status = file.stat()
        except FileNotFoundError:
            continue  # an editor replaces it at this moment
        found[file] = (status.st_mtime_ns, status.st_size)
    return found


def serve(options: list[str], root: Path = ROOT) -> int:
    """Run main.py with these options until Ctrl-C; return the exit status."""
    process, status = None, None
    started = 0
    try:
        while True:
            seen = watched(root)
            process = subprocess.Popen([sys.executable, str(root / "main.py"), *options])
            started += 1
            while watched(root) == seen:
                status = process.poll()
                if status is not None and started == 1:
                    return status
                if status is not None:
                    console.note(f"Ended (exit status {status}); starting anew when a file changes.")
                    _wait_for_change(root, seen)
                    break
                time.sleep(LOOK_EVERY_S)
            changed = {path.relative_to(root).as_posix() for path, _ in set(watched(root).items()) ^ set(seen.items())}
            console.note(f"{', '.join(sorted(changed))} changed: starting anew.")
            _stop(process)
    except KeyboardInterrupt:
        return 0
    finally:
        if process:
            _stop(process)


def _wait_for_change(root: Path, seen: dict) -> None:
    while watched(root) == seen:
        time.sleep(LOOK_EVERY_S)


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
    for option, value, text in OPTIONS:
        parser.add_argument(option, metavar=value, help=text)
    given = parser.parse_args(argv)
    words = []
    for option, _, _ in OPTIONS:
        value = getattr(given, option[2:].replace("-", "_"))
        if value is not None:
            words += [option, value]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end as for Ctrl-C, and the server with us
    return serve(words)
