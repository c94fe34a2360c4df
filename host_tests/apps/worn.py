"""The shipped site on a storage that takes nothing: whatever writes raises the error whose number is in DATA/errno."""

import builtins
import os
import sys

import firmware.board as board
import main
from firmware.board import storage
from firmware.features import uploads

folder = sys.argv[sys.argv.index("--data") + 1]
open_file = builtins.open


def fail():
    """Raise that error, where there is such a file."""
    try:
        with open_file(folder + "/errno") as file:
            number = int(file.read())
    except OSError:
        return
    raise OSError(number, "as the test wants it")


class Os:
    """The module, whose functions that change something fail."""

    def __getattr__(self, name):
        if name in ("mkdir", "remove", "rename", "replace", "rmdir"):
            fail()
        return getattr(os, name)


def open_failing(path, mode="r"):
    """Open a file; to be written only where there is no error."""
    if mode[0] == "w":
        fail()
    return open_file(path, mode)


documents = storage._documents()
storage._documents = lambda: documents
storage.use(folder)
from firmware.site import files  # noqa: E402 - it looks into that folder

for module in (documents, uploads, files):
    module.os = Os()
    module.open = open_failing

board.leave(main.main())
