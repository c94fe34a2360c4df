"""The command line: `python3 -m tools COMMAND`. Exits 0 when done, 1 with one line when failed, 2 on wrong usage."""

from __future__ import annotations

import importlib
import sys

from tools import console

# name: (what it does, the module whose `main(argv) -> int` does it; imported only when asked for)
COMMANDS = {
    "api": ("Write firmware/API.md anew, the reference for applications.", "tools.api"),
    "bench": ("Measure the server: instructions, system calls and memory, beside other servers.", "tools.bench"),
    "cert": ("Make a key and a certificate, so that the server can speak HTTPS.", "tools.cert"),
    "deploy": ("Put Limpet on a board: what changed is sent, settings and data stay.", "tools.deploy"),
    "devices": ("List the boards that are plugged in: port, chip, MicroPython.", "tools.devices"),
    "doctor": ("Say how a board is, by cable or network, and what to do about it.", "tools.doctor"),
    "erase-data": ("Remove a board's settings and data.", "tools.erase"),
    "flash": ("Put MicroPython on a board.", "tools.flash"),
    "image": ("Build an image of one's own: MicroPython with Limpet frozen in.", "tools.image"),
    "images": ("Show which MicroPython there is for each chip; renew that table.", "tools.listing"),
    "install-page": ("Make a page that installs Limpet from a browser.", "tools.installer"),
    "interpreters": ("Show which MicroPython the tests run on; fetch it when there is none.", "tools.interpreters"),
    "lab": ("Run the acceptance list on a board, and write a report to send in.", "tools.lab"),
    "monitor": ("Show the board's console, and let keys go there.", "tools.monitor"),
    "new": ("Make a project of one's own: a folder with an application and its page.", "tools.new"),
    "package": ("Write package.json anew, for `mpremote mip install`.", "tools.package"),
    "pull": ("Save a board's settings and data here.", "tools.pull"),
    "push": ("Put saved settings and data back on a board.", "tools.push"),
    "run": ("Run a file on the board once, without storing it.", "tools.run"),
    "serve": ("Serve from this machine, and start anew when a file changes.", "tools.serve"),
    "size": ("Show what each file costs on a board: flash, and heap once imported.", "tools.size"),
    "soak": ("Send a million mixed requests to a board, and tell whether it bears them.", "tools.soak"),
    "update-firmware": ("Put MicroPython itself on a board over the network.", "tools.slots"),
    "where": ("Find the places in the sources of a board's traceback.", "tools.where"),
}


def usage() -> str:
    """Return the help text: how to call this, and one line for each command."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {help_line}" for name, (help_line, _) in sorted(COMMANDS.items())]
    return "\n".join(
        [
            "usage: python3 -m tools COMMAND [ARGUMENT...]",
            "",
            "Commands:",
            *lines,
            "",
            "`python3 -m tools COMMAND --help` explains one of them; `--version` tells which Limpet this is.",
        ]
    )


def version() -> str:
    """Return which Limpet this is, and which tree: a board that has it tells the same hash."""
    from firmware import NAME, VERSION
    from tools import ROOT, manifest

    return f"{NAME} {VERSION}, tree {manifest.tree_hash(ROOT)[:12]}"


def main(argv: list[str]) -> int:
    """Run the command that `argv` names and return its exit status."""
    if argv and argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if argv and argv[0] == "--version":
        print(version())
        return 0
    if not argv:
        print(usage(), file=sys.stderr)
        return 2
    if argv[0] not in COMMANDS:
        print(f"No command is called {argv[0]!r}.\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        return importlib.import_module(COMMANDS[argv[0]][1]).main(argv[1:])
    except KeyboardInterrupt:
        console.complain("Interrupted.")
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone: nobody is left to tell
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("tools", "firmware"):
            raise
        file = "requirements-dev.txt" if argv[0] in ("bench", "image") else "tools/requirements.txt"
        console.complain(f"{argv[0]}: {error.name} is not installed: `.venv/bin/pip install -r {file}` brings it.")
    except (console.Failure, OSError) as error:
        console.complain(f"{argv[0]}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
