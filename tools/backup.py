"""Backups of a board's settings and data: one folder or one tar file, for `pull` and `push`.

They are what is below DATA on the board: the settings with the passwords of the networks in them, so what is written
here is for its owner's eyes only. A backup is {path below DATA: content}.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from tools.console import Failure

# On the board: firmware/board/hardware.py.
DATA = "/data"

# A tar file by its name; all else is a folder.
TARS = (".tar", ".tar.gz", ".tgz")


def write(target: Path, files: dict[str, bytes]) -> None:
    """Write a backup to a new folder or tar file, which appears once it is whole. Raises Failure."""
    try:
        (_write_tar if _is_tar(target) else _write_folder)(target, files)
    except OSError as error:
        raise Failure(f"{target} cannot be written: {error.strerror}.") from error


def read(source: Path) -> dict[str, bytes]:
    """Return a backup. Raises Failure where it cannot be read, is empty, or has what is no file."""
    try:
        files = _read_tar(source) if _is_tar(source) else _read_folder(source)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise Failure(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not files:
        raise Failure(f"There is nothing in {source}.")
    return files


def relative(path: str) -> str:
    """Return a path as it is in a backup. Raises Failure for one that leads out of its folder."""
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts or "\\" in path or ":" in path or not place.parts:
        raise Failure(f"{path!r} is no path of a backup.")
    return place.as_posix()


def _is_tar(path: Path) -> bool:
    return path.name.endswith(TARS)


def _write_folder(target: Path, files: dict[str, bytes]) -> None:
    made = target.with_name(target.name + ".part")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(0o700, parents=True)
    for path, data in files.items():
        file = made / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    made.rename(target)


def _write_tar(target: Path, files: dict[str, bytes]) -> None:
    made = target.with_name(target.name + ".part")
    mode = "w" if target.suffix == ".tar" else "w:gz"
    os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    with tarfile.open(made, mode) as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o600
            tar.addfile(member, io.BytesIO(data))
    made.rename(target)


def _read_folder(source: Path) -> dict[str, bytes]:
    if not source.is_dir():
        raise NotADirectoryError(20, "it is no folder and no tar file")
    files = sorted(file for file in source.rglob("*") if file.is_file())
    return {relative(file.relative_to(source).as_posix()): file.read_bytes() for file in files}


def _read_tar(source: Path) -> dict[str, bytes]:
    with tarfile.open(source) as tar:
        members = [member for member in tar.getmembers() if not member.isdir()]
        for member in members:
            if not member.isfile():
                raise Failure(f"{member.name!r} in {source} is no file.")
        return {relative(member.name): tar.extractfile(member).read() for member in members}
