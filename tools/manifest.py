"""What goes on a board, and how its file system gets from one tree to the next so that a power cut leaves no mix.

The folder `.limpet` on the board is ours:

    manifest         what the last deployment put there: lines of "SHA256 PATH"
    0123456789abcdef  a staged file: whole, verified, in nobody's way; named after its path and content
    switch           the journal: its appearance, one rename, is the moment of change. boot.py completes it
    trial            the journal back, while a new tree is on trial: a boot that finds it makes it `switch`
    ~...             files of the old tree, while a new one is on trial

A journal has a line for each step, in order: "STAGED PATH" renames over what is there, "- PATH" removes a file or an
empty folder, "+ PATH" makes a folder. What fails because it is done already is done; so a journal cut off at any point
is begun again from its start. boot.py is the first to be replaced, for whoever starts next has to know journals.
Over the cable there is no trial: the cable is the way back. Over the air firmware/board/update.py writes the journals.

    build(root, arch, form) -> {path: bytes}      Plan(wanted, there, old): its `send`, `remove`, `staged` and `journal`
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from pathlib import Path, PurePosixPath

from tools import mpy
from tools.console import Failure

HOME = "/.limpet/"
MANIFEST = HOME + "manifest"
JOURNAL = HOME + "switch"

# What MicroPython starts has to be source.
ROOT_FILES = ("boot.py", "main.py")
PACKAGE = "firmware"

# What becomes of the package's modules: see `build`. A frozen one needs no memory for its code (README.md).
COMPILED, SOURCE, FROZEN = "compiled", "source", "frozen"

# A compressed copy takes blocks of its own on the board: it has to save some of what goes over the air.
GZIP_AT_MOST = 0.9
# Below, head and packets outweigh what is saved.
GZIP_AT_LEAST_BYTES = 512

# littlefs on the ESP32.
BLOCK_BYTES = 4096
# Left for the file system's own moves: renames and new folders take blocks too.
RESERVE_BYTES = 16 * BLOCK_BYTES


def sha256(data: bytes) -> str:
    """Return the hash as hex digits."""
    return hashlib.sha256(data).hexdigest()


def build(root: Path, arch: str | None, form: str = COMPILED) -> dict[str, bytes]:
    """Return what a board gets, {absolute path there: content}, from the tree at `root`.

    `form`: the package compiled for `arch`, or as source, or without its modules where the board's image has them.
    Raises Failure for a tree that is no tree.
    """
    arch = arch if form == COMPILED else None
    wanted = {}
    package = root / PACKAGE
    for name in ROOT_FILES:
        wanted["/" + name] = _read(root / name)
    if b"switch(" not in wanted["/boot.py"]:
        raise Failure(f"{root / 'boot.py'} has no switch(), which completes a deployment that was cut off.")
    for file in sorted(package.rglob("*")):
        place = file.relative_to(root)
        if file.suffix == ".py" and (arch or form == FROZEN) or not file.is_file() or _is_hidden(place):
            continue
        path = "/" + place.as_posix()
        wanted[path] = data = _read(file)
        if file.suffix not in (".py", ".gz"):
            packed = gzip.compress(data, 9, mtime=0)
            if len(data) >= GZIP_AT_LEAST_BYTES and len(packed) <= GZIP_AT_MOST * len(data):
                wanted[path + ".gz"] = packed
    if arch:
        wanted.update(_compiled(package, arch))
    if not any(path.startswith(f"/{PACKAGE}/") for path in wanted):
        raise Failure(f"There is no {PACKAGE}/ in {root}.")
    return wanted


def _is_hidden(place: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in place.parts)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from error


def _compiled(package: Path, arch: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / package.name
        try:
            made = mpy.compile_tree(package, target, arch)
        except mpy.CompileError as error:
            raise Failure(str(error)) from error
        return {"/" + file.relative_to(folder).as_posix(): file.read_bytes() for file in made}


def staged_name(path: str, digest: str) -> str:
    """Return the name of the staged file for `path` whose hash is `digest`; firmware/board/update.py knows it too."""
    return sha256(f"{path}\0{digest}".encode())[:16]


def parse(text: bytes) -> dict[str, str]:
    """Return {path: hash} from a manifest; a line that is none is passed over."""
    lines = (line.split(" ", 1) for line in text.decode("utf-8", "replace").splitlines())
    return {words[1]: words[0] for words in lines if len(words) == 2 and words[1].startswith("/")}


def parents(path: str) -> list[str]:
    """Return the folders above a path, the outermost first, without the root."""
    return [str(folder) for folder in reversed(PurePosixPath(path).parents)][1:]


class Plan:
    """From the tree that is there to the one that is wanted.

    wanted: {path: content}. there: {path: hash, "/" for a folder, None where there is nothing}, of at least all paths
    of `ask`. old: the manifest on the board, {path: hash}.
    """

    def __init__(self, wanted: dict[str, bytes], there: dict[str, str | None], old: dict[str, str]):
        self.wanted = wanted
        hashes = {path: sha256(data) for path, data in wanted.items()}
        self.remove = sorted(path for path in old if path not in wanted and there[path] not in (None, "/"))
        self._refuse_conflicts(there)
        changed = {path for path in wanted if there[path] != hashes[path]}
        # The server takes a compressed file only where it is not older than the plain one: both go, that one first.
        changed |= {path[:-3] for path in changed if path.endswith(".gz")} & set(wanted)
        changed |= {path + ".gz" for path in changed} & set(wanted)
        self.send = sorted(changed)
        manifest = "".join(f"{hashes[path]} {path}\n" for path in sorted(wanted)).encode()
        self.tree = sha256(manifest)
        self._digests = {**hashes, MANIFEST: self.tree}
        self.is_done = not self.send and not self.remove and old == hashes
        # {staged name: content}, in the order of sending.
        self.staged = {self.name(path): wanted[path] for path in self.send}
        self.staged[self.name(MANIFEST)] = manifest
        self.journal = self._journal(there)

    @staticmethod
    def ask(wanted: dict[str, bytes], old: dict[str, str]) -> list[str]:
        """Return the paths of which a plan has to know what is there."""
        paths = {*wanted, *old}
        paths |= {path[:-4] + ".py" for path in wanted if path.endswith(".mpy")}
        return sorted(paths | {folder for path in wanted for folder in parents(path)})

    def name(self, path: str) -> str:
        """Return the name of a staged file."""
        return staged_name(path, self._digests[path])

    def usable(self, whole: set[str]) -> set[str]:
        """Return which of the staged files that are on the board, whole, need not be sent again.

        A compressed file may not be older than its plain one, and between sessions a board's clock may go back.
        """
        usable = set(whole)
        for path in self.send:
            names = {self.name(path), self.name(path + ".gz")} if path + ".gz" in self.send else set()
            if not names <= whole:
                usable -= names
        return usable

    def _refuse_conflicts(self, there: dict[str, str | None]) -> None:
        for path in self.wanted:
            if there[path] == "/":
                raise Failure(f"On the board, {path} is a folder: remove it (`mpremote rm -r :{path}`).")
            for folder in parents(path):
                if there[folder] not in (None, "/") and folder not in self.remove:
                    raise Failure(f"On the board, {folder} is a file: remove it (`mpremote rm :{folder}`).")
            source = path[:-4] + ".py"
            if path.endswith(".mpy") and there[source] and source not in self.remove and there[source] != "/":
                raise Failure(
                    f"On the board, {source} would hide the compiled file: remove it (`mpremote rm :{source}`)."
                )

    def _journal(self, there: dict[str, str | None]) -> bytes:
        first = [path for path in self.send if path == "/boot.py"]
        folders = {folder for path in self.send for folder in parents(path) if there[folder] != "/"}
        emptied = {folder for path in self.remove for folder in parents(path)}
        emptied -= {folder for path in self.wanted for folder in parents(path)}
        last = [path for path in self.send if path == "/main.py"]
        steps = [
            *((self.name(path), path) for path in first),
            *(("-", path) for path in self.remove),
            *(("-", path) for path in sorted(emptied, reverse=True)),
            *(("+", path) for path in sorted(folders)),
            *((self.name(path), path) for path in self.send if path not in first + last),
            *((self.name(path), path) for path in last),
            (self.name(MANIFEST), MANIFEST),
        ]
        return "".join(f"{name} {path}\n" for name, path in steps).encode()

    @property
    def bytes(self) -> int:
        """How many bytes go over the line, before they are packed."""
        return sum(map(len, self.staged.values()))

    def room(self, there: set[str]) -> int:
        """Return how many bytes have to be free, where the staged files in `there` are on the board already."""
        sizes = [len(data) for name, data in self.staged.items() if name not in there]
        return sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in sizes) + RESERVE_BYTES
