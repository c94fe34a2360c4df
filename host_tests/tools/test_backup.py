"""tools/pull.py, push.py and erase.py against an emulated board: what is copied, where to, and what stays."""

import io
import os
import stat
import sys
import tarfile

import pytest

from host_tests.conftest import interpreter_named
from host_tests.emulated_board import EmulatedBoard
from tools import backup, erase, pull, push
from tools.board import Board
from tools.console import Failure

DATA = {
    "config.json": b'{"networks": [{"ssid": "Zo\xc3\xab", "password": "secret one"}]}',
    "empty": b"",
    "deep/er/blob.bin": bytes(range(256)) * 50,
}


@pytest.fixture
def board(tmp_path):
    with EmulatedBoard(tmp_path / "flash", interpreter_named("amd64")) as running:
        yield running


@pytest.fixture
def full(board):
    """A board with data, and with what is none of these commands' business."""
    with Board(board.name) as there:
        for path, data in DATA.items():
            there.replace(f"/data/{path}", data)
        there.write("/mine.py", b"# mine\n")
    return board


def data_of(board):
    with Board(board.name) as there:
        return {path[6:]: there.read(path) for path in there.walk("/data") if path[-1] != "/"}


@pytest.mark.parametrize("name", ["backup", "backup.tar", "backup.tar.gz", "backup.tgz"])
def test_what_is_pulled_is_pushed_back(full, tmp_path, capsys, name):
    place = tmp_path / name
    assert pull.main([str(place), "--port", full.name]) == 0
    assert "3 files" in capsys.readouterr().out
    assert backup.read(place) == DATA
    with Board(full.name) as there:
        there.write("/data/config.json", b"{}")
        there.write("/data/later", b"stays")
        there.remove("/data/empty")
    assert push.main([str(place), "--port", full.name]) == 0
    assert data_of(full) == {**DATA, "later": b"stays"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("name", ["backup", "backup.tar.gz"])
def test_others_cannot_read_what_is_pulled(full, tmp_path, name):
    pull.pull(full.name, tmp_path / name)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0


def test_pull_replaces_nothing_and_leaves_nothing_behind(full, tmp_path):
    place = tmp_path / "backup"
    place.mkdir()
    with pytest.raises(Failure, match="there already"):
        pull.pull(full.name, place)
    with pytest.raises(Failure, match="cannot be written"):
        pull.pull(full.name, full.flash / "backup.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "flash"]


def test_pull_of_a_board_without_data_is_one_line(board, tmp_path):
    with pytest.raises(Failure, match="no settings or data"):
        pull.pull(board.name, tmp_path / "backup")


def test_push_that_is_cut_off_leaves_each_file_old_or_new(full, tmp_path):
    new = {path: data + b" new" * 500 for path, data in DATA.items()}
    backup.write(tmp_path / "backup", new)
    full.pull_the_cable()
    with EmulatedBoard(full.flash, full.interpreter) as board:
        push.push(board.name, tmp_path / "backup")
        writes = board.writes[1]
    for cut in range(2, writes, writes // 8):
        with EmulatedBoard(full.flash, full.interpreter) as board, Board(board.name) as there:
            for path, data in DATA.items():
                there.replace(f"/data/{path}", data)
        with EmulatedBoard(full.flash, full.interpreter, cut_after_writes=(1, cut)) as board, pytest.raises(Failure):
            push.push(board.name, tmp_path / "backup")
        with EmulatedBoard(full.flash, full.interpreter) as board:
            found = data_of(board)
        for path, data in DATA.items():
            assert found[path] in (data, new[path])


def make_tar(file, *members):
    with tarfile.open(file, "w") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


def symbolic_link(name, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../main.py"),
        tarfile.TarInfo("/main.py"),
        tarfile.TarInfo("a/../../main.py"),
        symbolic_link("config.json", "/etc/passwd"),
    ],
    ids=lambda member: member.name,
)
def test_backup_that_leads_elsewhere_is_refused(tmp_path, member):
    with pytest.raises(Failure, match="no path|is no file"):
        push.push("/dev/null", make_tar(tmp_path / "bad.tar", (member, b"")))


def test_backup_that_is_none_is_one_line(tmp_path):
    (tmp_path / "noise.tar").write_bytes(b"noise" * 1000)
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "nothing").mkdir()
    for name in ("noise.tar", "cut.tar.gz", "nothing", "missing", "missing.tar"):
        with pytest.raises(Failure) as raised:
            push.push("/dev/null", tmp_path / name)
        assert name in str(raised.value) and "\n" not in str(raised.value)


def test_erase_data_removes_all_data_and_nothing_else(full, capsys):
    assert erase.main(["--port", full.name, "--yes"]) == 0
    assert "3 files erased" in capsys.readouterr().out
    with Board(full.name) as there:
        assert set(there.walk("/")) == {"/data/", "/mine.py"}
    assert erase.erase(full.name) == []


def test_erase_data_asks_first(full, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    with pytest.raises(Failure, match="--yes"):
        erase.main(["--port", full.name])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "no")
    with pytest.raises(Failure, match="Nothing was erased"):
        erase.main(["--port", full.name])
    assert data_of(full) == DATA
    monkeypatch.setattr("builtins.input", lambda question: "yes")
    assert erase.main(["--port", full.name]) == 0
    assert data_of(full) == {}
