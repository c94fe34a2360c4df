"""MicroPython's 32-bit unix port with an ESP32's two heaps: Python's grows into the system's, as it does on the chip.

    command = locate(frozen=False)      # argv; or None and why not
    [*command, "-X", "heapsize=..."]    # the first area, fakes included: they tell `_idf.begin` how much they take

`idf.c` is the system's heap. Built once, of the source that tools/frozen.py fetches, in `.cache/frozen/`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tools import ROOT, freeze, frozen
from tools.interpreters import Unusable

HERE = Path(__file__).parent

# The manifest of an image without us.
STOCK = 'include("$(MPY_DIR)/extmod/asyncio")\n'


@functools.lru_cache
def locate(is_frozen: bool = False) -> tuple[list[str] | None, str]:
    """Return (argv, "") for the port, with the firmware frozen into it where asked for; or (None, a line)."""
    try:
        return _make(is_frozen), ""
    except Unusable as error:
        return None, f"No MicroPython with an ESP32's heaps ({error}): {frozen.INSTALL}."


def _make(is_frozen: bool) -> list[str]:
    with frozen._locked(), tempfile.TemporaryDirectory() as folder:
        staged = Path(folder, "staged")
        tree = freeze.stage(ROOT, staged) if is_frozen else ""
        loader = frozen._runtime()
        source = frozen._source()
        parts = [(HERE / name).read_text() for name in ("idf.c", "idf.h", "micropython.mk")]
        told = "\0".join([tree, *frozen._version(source), *frozen.FLAGS, frozen.C_FLAGS, *parts])
        binary = frozen.BUILDS / f"heaps-{hashlib.sha256(told.encode()).hexdigest()[:16]}" / "micropython"
        if not binary.exists():
            _build(source, staged if is_frozen else None, binary)
        os.utime(binary.parent)
    return [*loader, str(binary)]


def _build(source: Path, staged: Path | None, binary: Path) -> None:
    libraries = source / "libraries"
    frozen._link_libraries(libraries)
    unix = source / "micropython" / "ports" / "unix"
    build = unix / ("build-heaps-frozen" if staged else "build-heaps")
    shutil.rmtree(build / "frozen_mpy", ignore_errors=True)
    build.mkdir(exist_ok=True)
    (build / "stock.py").write_text(STOCK)
    cores = f"-j{os.cpu_count()}"
    frozen._make([cores, "-C", str(source / "micropython" / "mpy-cross")])
    include = f"-include {HERE / 'idf.h'} -I{source / 'tls' / 'usr' / 'include'}"
    flags = [
        *frozen.FLAGS,
        f"BUILD={build.name}",
        f"FROZEN_MANIFEST={staged / 'boards' / 'unix.py' if staged else build / 'stock.py'}",
        f"USER_C_MODULES={HERE.parent}",
        f"CFLAGS_EXTRA={frozen.C_FLAGS} -Wno-error=pointer-arith {include}",
        f"LDFLAGS_EXTRA=-L{libraries} -Wl,--allow-shlib-undefined",
    ]
    frozen._make([cores, "-C", str(unix), *flags])
    binary.parent.mkdir(parents=True, exist_ok=True)
    part = binary.with_suffix(".part")
    shutil.copy(build / "micropython", part)
    part.rename(binary)
