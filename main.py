"""Limpet: the story of a board from its start to serving, and of the laptop that stands in for one (`--help`)."""

import sys

import firmware.board as board


def main():
    """Serve until told to stop; return the exit status."""
    error = None
    try:
        running, status = start().prepare()
        if running is None:
            return status
        board.run(*running)
    except Exception as raised:
        error = raised
    running = None  # with all that it holds: saying how it ended takes memory, too
    try:
        return start().end(error)
    except MemoryError:
        print("limpet: reset: out of memory")
        return 1


def start():
    """Return the module of both ends. Nobody keeps it: while it serves its heap is others'."""
    import firmware.site as site
    from firmware.site import start

    del sys.modules["firmware.site.start"], site.start
    return start


if __name__ == "__main__":
    # A laptop tells its exit status; a board that failed starts anew, and one that was stopped gives its prompt.
    board.leave(main())
