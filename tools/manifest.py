"""What goes on a board, and how its file system gets from one tree to the next so that a power cut leaves no mix.

The folder `.limpet` on the board is ours:

    manifest         what the last deployment put there: lines of "SHA256 PATH"
    0123456789abcdef  a staged file: whole, verified, in nobody's way; named after its path and content
    switch           the journal: its appearance, one rename, is the moment of change. boot.py completes it
    trial            the journal back, while a new tree is on trial: a boot that finds it makes it `switch`
    ~...             files of the old tree, while a new one is on trial; ~cable: it came by the cable, and need not
                     have been reached to stay

A journal has a line for each step, in order: "STAGED PATH" renames over what is there, "- PATH" removes a file or an
empty folder, "+ PATH" makes a folder. What fails because it is done already is done; so a journal cut off at any point
is begun again from its start. boot.py is the first to be replaced, for whoever starts next has to know journals.
Over the cable there is no trial, as the cable is the way back; but for a tree that wins over one in the image, which is
gone back to where the new one does not serve. Over the air firmware/board/update.py writes the journals.

    build(root, arch, form) -> {path: bytes}      Plan(wanted, there, old): its `send`, `remove`, `staged` and `journal`
    modules(package) -> [files of Python that a board loads]        tree_hash(root), frozen_module(root): of an image
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tools import mpy
from tools import project as projects
from tools.console import Failure

HOME = "/.limpet/"
MANIFEST = HOME + "manifest"
JOURNAL = HOME + "switch"

# What MicroPython starts has to be source.
ROOT_FILES = ("boot.py", "main.py")
PACKAGE = "firmware"

# What a laptop alone loads, below the package: halves whose other half is the board's, and what tests ask with. Neither
# sent nor frozen.
LAPTOPS = (
    "http/cpython.py",
    "server/cpython.py",
    "server/laptop.py",
    "board/sim.py",
    "board/simprocess.py",
    "board/simwifi.py",
    "testing.py",
)
# For who reads or writes the code.
NOT_SENT = (".md", ".pyi")

CRLF, LF = b"\r\n", b"\n"

# By this module an image of ours tells what is frozen into it: see `frozen_module`.
FROZEN_MODULE = "firmware_build"

MODULES = (".mpy", ".py")
# By one of these a board knows that the package is there as files (boot.py, `find`).
STARTS = ("__init__.mpy", "__init__.py")

# What becomes of the package's modules: see `build`. A frozen one needs no memory for its code (tools/README.md).
COMPILED, SOURCE, FROZEN = "compiled", "source", "frozen"

# littlefs on the ESP32.
BLOCK_BYTES = 4096
# Left for the file system's own moves: renames and new folders take blocks too.
RESERVE_BYTES = 16 * BLOCK_BYTES


def sha256(data: bytes) -> str:
    """Return the hash as hex digits."""
    return hashlib.sha256(data).hexdigest()


def build(root: Path, arch: str | None, form: str = COMPILED, project: Path | None = None) -> dict[str, bytes]:
    """Return what a board gets, {absolute path there: content}, from the tree at `root`, and the folder `project`.

    `form`: the package compiled for `arch`, or as source, or without its modules where the board's image has them.
    Raises Failure for a tree that is no tree.
    """
    compiled = bool(arch) and form == COMPILED
    wanted = {}
    package = root / PACKAGE
    for name in ROOT_FILES:
        wanted["/" + name] = _read(root / name)
    if b"switch(" not in wanted["/boot.py"]:
        raise Failure(f"{root / 'boot.py'} has no switch(), which completes a deployment that was cut off.")
    sources = set() if compiled or form == FROZEN else set(modules(package))
    for file in sorted(package.rglob("*")):
        place = file.relative_to(root)
        is_python = file.suffix == ".py"
        if not file.is_file() or _is_hidden(place) or file.suffix in NOT_SENT or is_python and file not in sources:
            continue
        path = "/" + place.as_posix()
        wanted[path] = data = _read(file)
        if file.suffix not in (".py", ".gz"):
            projects.pack(wanted, path, data)
    if compiled:
        wanted.update(_compiled(package, arch, project))
    if project:
        wanted.update(projects.build(project, None if form == SOURCE else arch))
    if not any(path.startswith(f"/{PACKAGE}/") for path in wanted):
        raise Failure(f"There is no {PACKAGE}/ in {root}.")
    return wanted


def modules(package: Path) -> list[Path]:
    """Return the files of Python that a board loads, in the folder `package` and below: without the laptop's halves."""
    here = (file.relative_to(package) for file in sorted(package.rglob("*.py")))
    return [package / place for place in here if place.as_posix() not in LAPTOPS and not _is_hidden(place)]


def tree_hash(root: Path) -> str:
    """Return the SHA-256, in hex, of the Python that a board loads from the tree at `root`, boot.py and main.py apart.

    An image into which that was frozen bears it: the tree with the same hash need not be sent. Line ends do not count.
    """
    lines = (
        f"{sha256(_read(file).replace(CRLF, LF))} {file.relative_to(root).as_posix()}\n"
        for file in modules(root / PACKAGE)
    )
    return sha256("".join(lines).encode())


def choose(root: Path, form: str, frozen: str | None) -> str:
    """Return the form to send: FROZEN where the image has the tree at `root`, which is told by its hash."""
    return FROZEN if form == COMPILED and frozen == tree_hash(root) else form


def frozen_module(root: Path) -> str:
    """Return the text of FROZEN_MODULE for an image with the tree at `root`: the version of Limpet, and `tree_hash`."""
    text = _read(root / PACKAGE / "__init__.py").decode()
    version = re.search(r"^VERSION = (\S+)$", text, re.MULTILINE)
    return f"VERSION = {version.group(1) if version else None}\nTREE = {tree_hash(root)!r}\n"


def _is_hidden(place: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in place.parts)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from error


def _compiled(package: Path, arch: str, project: Path | None) -> dict[str, bytes]:
    others = projects.texts(project) if project else []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / package.name
        try:
            made = mpy.compile_tree(package, target, arch, modules(package), others, is_bundled=True)
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


class WayBack(NamedTuple):
    """What a board keeps while a tree is on trial: `kept` {path: name of its copy}, `files` {name: content}."""

    kept: dict[str, str]
    files: dict[str, bytes]


class Plan:
    """From the tree that is there to the one that is wanted.

    wanted: {path: content}. there: {path: hash, "/" for a folder, None where there is nothing}, of at least all paths
    of `ask`. old: the manifest on the board, {path: hash}.
    """

    def __init__(self, wanted: dict[str, bytes], there: dict[str, str | None], old: dict[str, str]):
        self.wanted, self._there = wanted, there
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
        paths |= {f"/{PACKAGE}/{name}" for name in STARTS}
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

    def way_back(self) -> WayBack | None:
        """Return the way back to the firmware of the image, None where the board has a tree that wins over it already.

        What is no module comes back, or stays where it was not there before: boot.py, main.py, pages. What is new of a
        project goes. The journal back is "~back".
        """
        if any(self._there[f"/{PACKAGE}/{name}"] for name in STARTS if f"/{PACKAGE}/{name}" in self._there):
            return None
        modules = [path for path in self.wanted if path.endswith(MODULES) and path.startswith(f"/{PACKAGE}/")]
        modules += [path for path in self.wanted if path.startswith(projects.HOME) and self._there[path] is None]
        replaced = [path for path in self.send if path not in modules and self._there[path] is not None]
        kept = {path: staged_name(path, self._there[path]) for path in [*replaced, *self.remove]}
        kept = {path: f"~{name}" for path, name in kept.items()}
        after = {path: self._digests[path] for path in self.wanted if path not in modules}
        after.update({path: self._there[path] for path in kept})
        text = "".join(f"{digest} {path}\n" for path, digest in sorted(after.items())).encode()
        name = f"~{staged_name(MANIFEST, sha256(text))}"
        emptied = {folder for path in modules for folder in parents(path)}
        steps = [
            *(("+", folder) for folder in sorted({folder for path in self.remove for folder in parents(path)})),
            *((kept[path], path) for path in sorted(kept, key=lambda path: path != "/boot.py") if path != "/main.py"),
            *(("-", path) for path in modules),
            *(("-", folder) for folder in sorted(emptied, reverse=True)),
            *((kept[path], path) for path in kept if path == "/main.py"),
            (name, MANIFEST),
        ]
        journal = "".join(f"{name} {path}\n" for name, path in steps).encode()
        return WayBack(kept, {name: text, "~cable": b"", "~back": journal})

    @property
    def steps(self) -> int:
        """How many steps boot.py has to take."""
        return self.journal.count(b"\n")

    @property
    def bytes(self) -> int:
        """How many bytes go over the line, before they are packed."""
        return sum(map(len, self.staged.values()))

    def room(self, there: set[str]) -> int:
        """Return how many bytes have to be free, where the staged files in `there` are on the board already."""
        sizes = [len(data) for name, data in self.staged.items() if name not in there]
        return sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in sizes) + RESERVE_BYTES
