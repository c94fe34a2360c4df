"""MicroPython's 32-bit unix port with Limpet frozen into it: an image of one's own, seen without a chip.

The distribution's own source package is fetched once, as tools/interpreters.py fetches its packages, and built once for
each tree: `.cache/frozen/` has both. It has the word size of an ESP32, the modules as `tools image` freezes them, and
TLS from the libraries that the fetched 32-bit MicroPython runs with, whose dynamic loader starts this one too.

    require(root) -> argv, built if need be      locate(root) -> (argv or None, why not)
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools import ROOT, freeze, interpreters
from tools.interpreters import Unusable

CACHE = ROOT / ".cache" / "frozen"
SOURCE = CACHE / "source"
BUILDS = CACHE / "builds"
# Each has 2 MB; old ones go.
KEPT_BUILDS = 8

# The ESP32's words. Without what needs libraries that no board has: foreign functions, Java, a database.
FLAGS = (
    *("MICROPY_FORCE_32BIT=1", "MICROPY_PY_FFI=0", "MICROPY_PY_JNI=0", "MICROPY_PY_BTREE=0"),
    *("MICROPY_SSL_AXTLS=0", "MICROPY_SSL_MBEDTLS=1"),
    "MPY_CROSS_FLAGS=-march=x86",
)
# As the distribution does for i386: gcc's _Float16 asks for SSE2.
C_FLAGS = "-DMICROPY_FLOAT_USE_NATIVE_FLT16=0"
# What TLS is linked with, and the package that has the headers.
TLS_LIBRARIES = ("mbedtls", "mbedx509", "mbedcrypto")
TLS_PACKAGE = "libmbedtls-dev"

INSTALL = "install what builds it (Debian, Ubuntu on x86-64: `apt install gcc-multilib make dpkg-dev`)"


def require(root: Path = ROOT) -> list[str]:
    """Return the argv that runs the unix port with the tree at `root` frozen in. Raises SystemExit with one line."""
    command, reason = locate(root)
    if command is None:
        raise SystemExit(reason)
    return command


@functools.lru_cache
def locate(root: Path = ROOT) -> tuple[list[str] | None, str]:
    """Return (argv, "") for the unix port with the tree at `root` frozen in, built if need be, or (None, a line)."""
    try:
        return make(root), ""
    except Unusable as error:
        return None, f"No MicroPython with Limpet frozen in ({error}): {INSTALL}."


def make(root: Path) -> list[str]:
    """Return the argv of the unix port with the tree at `root` frozen in, built if need be. Raises Unusable."""
    with _locked(), tempfile.TemporaryDirectory() as folder:
        staged = Path(folder, "staged")
        tree = freeze.stage(root, staged)
        loader = _runtime()
        source = _source()
        told = "\0".join([tree, *_version(source), *FLAGS, C_FLAGS])
        binary = BUILDS / hashlib.sha256(told.encode()).hexdigest()[:16] / "micropython"
        if not binary.exists():
            _build(source, staged, binary)
        os.utime(binary.parent)
        for old in sorted(BUILDS.iterdir(), key=lambda build: build.stat().st_mtime)[:-KEPT_BUILDS]:
            shutil.rmtree(old)
    return [*loader, str(binary)]


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Let one process build at a time. Raises Unusable."""
    try:
        import fcntl
    except ImportError:  # Windows, where `soak` and `lab` ask a board at an address
        raise Unusable("Windows cannot build it") from None
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _runtime() -> list[str]:
    """Return the argv of the dynamic loader that comes with the fetched 32-bit MicroPython, up to the program."""
    if interpreters.cached("i386") is None:
        interpreters.fetch("i386")
    return interpreters.cached("i386")[:-1]


def _version(source: Path) -> list[str]:
    """Return which source package this is."""
    return sorted(file.name for file in source.glob("*.dsc"))


def _source() -> Path:
    """Return the folder of the source, fetched if need be: `micropython`, `tls`, and the package's own files."""
    _check_tools()
    if SOURCE.exists():
        return SOURCE
    # Unpacked beside and renamed: an interrupted fetch leaves nothing that looks whole.
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=CACHE) as folder:
        work = Path(folder)
        work.chmod(0o755)  # apt downloads as another user when root runs it
        for source in interpreters.sources():
            if _download(source, work / "apt" / source[2], work / "source"):
                break
        else:
            raise Unusable("this distribution has no source of MicroPython 1.25 or newer")
        (work / "source").rename(SOURCE)
    return SOURCE


def _check_tools() -> None:
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "AMD64"):
        raise Unusable(f"it cannot be built on {platform.system()}, {platform.machine()}")
    missing = [name for name in ("apt-get", "dpkg-source", "make", "gcc") if not shutil.which(name)]
    if missing:
        raise Unusable(f"there is no {missing[0]}")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "empty.c")
        program.write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
        done = subprocess.run(["gcc", "-m32", str(program), "-o", str(Path(folder, "empty"))], capture_output=True)
    if done.returncode:
        raise Unusable("gcc makes no 32-bit programs")


def _download(source: tuple[str, str, str], root: Path, target: Path) -> bool:
    """Fetch the source package and the headers of TLS into `target`; False where this release has no such package."""
    apt = interpreters.private_apt("i386", *source, root, kinds=("deb", "deb-src"))
    target.mkdir(exist_ok=True)
    try:
        interpreters.run([*apt, "source", "--download-only", "micropython"], cwd=target)
    except Unusable as error:
        if "Unable to find a source package" in str(error):
            return False
        raise
    (description,) = target.glob("*.dsc")
    numbers = description.name.partition("_")[2].split(".")[:2]
    if tuple(map(int, numbers)) < interpreters.OLDEST:
        description.unlink()
        return False
    interpreters.run([*apt, "download", TLS_PACKAGE], cwd=target)
    (package,) = target.glob(f"{TLS_PACKAGE}_*.deb")
    interpreters.run(["dpkg-deb", "-x", str(package), str(target / "tls")])
    interpreters.run(["dpkg-source", "-x", str(description), str(target / "micropython")])
    return True


def _build(source: Path, staged: Path, binary: Path) -> None:
    """Build it; what does not depend on the frozen tree is built with the first one. Raises Unusable."""
    tree, libraries = source / "micropython", source / "libraries"
    _link_libraries(libraries)
    build = tree / "ports" / "unix" / "build-limpet"
    # What was compiled of another tree is found there by its age alone.
    shutil.rmtree(build / "frozen_mpy", ignore_errors=True)
    cores = f"-j{os.cpu_count()}"
    _make([cores, "-C", str(tree / "mpy-cross")])
    flags = [
        *FLAGS,
        f"BUILD={build.name}",
        f"FROZEN_MANIFEST={staged / 'boards' / 'unix.py'}",
        f"CFLAGS_EXTRA={C_FLAGS} -I{source / 'tls' / 'usr' / 'include'}",
        # The C library is another than the one beside which it will run.
        f"LDFLAGS_EXTRA=-L{libraries} -Wl,--allow-shlib-undefined",
    ]
    _make([cores, "-C", str(tree / "ports" / "unix"), *flags])
    # Whole or not at all.
    part = binary.parent.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    shutil.copy(build / "micropython", part / binary.name)
    part.rename(binary.parent)


def _link_libraries(folder: Path) -> None:
    """Name the libraries of TLS that are there to run with as the linker looks for them."""
    folder.mkdir(exist_ok=True)
    for name in TLS_LIBRARIES:
        there = sorted((interpreters.CACHE / "i386").glob(f"usr/lib/*/lib{name}.so.*"))
        if not there:
            raise Unusable(f"the fetched 32-bit MicroPython has no lib{name}")
        link = folder / f"lib{name}.so"
        link.unlink(missing_ok=True)
        link.symlink_to(there[0])


def _make(arguments: list[str]) -> None:
    done = subprocess.run(["make", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "rror" in line] or ["it does not build"]
        raise Unusable(lines[0])
