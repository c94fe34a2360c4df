"""The command line: `python3 -m tools COMMAND`. Exits 0 when done, 1 with one line when failed, 2 on wrong usage."""

from __future__ import annotations

import importlib
import sys

# name: (what it does, the module whose `main(argv) -> int` does it; imported only when asked for)
COMMANDS = {
    "bench": ("Measure the server: instructions, system calls and memory, beside other servers.", "tools.bench"),
    "interpreters": ("Show which MicroPython the tests run on; fetch it when there is none.", "tools.interpreters"),
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
        print("Interrupted.", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone: nobody is left to tell
        return 1
    except OSError as error:
        print(f"{argv[0]}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
