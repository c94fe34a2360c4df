"""The command line: `python3 -m tools COMMAND`. Exits 0 when done, 1 with one line when failed, 2 on wrong usage."""

from __future__ import annotations

import importlib
import sys

from tools import console

# name: (what it does, the module whose `main(argv) -> int` does it; imported only when asked for)
COMMANDS = {
    "bench": ("Measure the server: instructions, system calls and memory, beside other servers.", "tools.bench"),
    "cert": ("Make a key and a certificate, so that the server can speak HTTPS.", "tools.cert"),
    "deploy": ("Put Limpet on a board: what changed is sent, settings and data stay.", "tools.deploy"),
    "devices": ("List the boards that are plugged in: port, chip, MicroPython.", "tools.devices"),
    "doctor": ("Check cable, rights, chip, firmware, space, link and clock; say what to do.", "tools.doctor"),
    "erase-data": ("Remove a board's settings and data.", "tools.erase"),
    "flash": ("Put MicroPython on a board.", "tools.flash"),
    "interpreters": ("Show which MicroPython the tests run on; fetch it when there is none.", "tools.interpreters"),
    "monitor": ("Show the board's console, and let keys go there.", "tools.monitor"),
    "package": ("Write package.json anew, for `mpremote mip install`.", "tools.package"),
    "pull": ("Save a board's settings and data here.", "tools.pull"),
    "push": ("Put saved settings and data back on a board.", "tools.push"),
    "run": ("Run a file on the board once, without storing it.", "tools.run"),
    "serve": ("Serve from this machine, and start anew when a file changes.", "tools.serve"),
    "size": ("Show what each file costs on a board: flash, and heap once imported.", "tools.size"),
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
            "`python3 -m tools COMMAND --help` explains one of them.",
        ]
    )


def main(argv: list[str]) -> int:
    """Run the command that `argv` names and return its exit status."""
    if argv and argv[0] in ("-h", "--help", "help"):
        print(usage())
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
        console.complain(f"{argv[0]}: no {error.name}: run `./tools/test` once, then use `.venv/bin/python -m tools`.")
    except (console.Failure, OSError) as error:
        console.complain(f"{argv[0]}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
