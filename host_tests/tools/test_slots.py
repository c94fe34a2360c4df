"""MicroPython itself over the air: the real command, server and boot.py; the boot loader is `fakes/slots.py`."""

from __future__ import annotations

import json
import shutil

import httpx
import pytest

from host_tests import air_board, esp_image
from host_tests.air_board import FolderBoard
from host_tests.fakes import slots as flash
from tools import ROOT, images, signing, update
from tools import slots as tool
from tools.__main__ import main as tools_main
from tools.console import Failure

OLD, NEW = flash.make("old"), esp_image.make_image("ESP32", "1.29.0", app_bytes=8000)

# What a chip does before boot.py; the image in its second slot dies at once where a file says so.
LOADER = """
import os
import slots
if slots.boot() == "ota_1" and os.path.exists({dead!r}):
    os._exit(75)
"""

# Not before the board is simulated: a chip is known by this module.
MADE = "import firmware.board as board\n"
CHIP = """
import sys
import types
import slots
sys.modules["esp32"] = types.SimpleNamespace(Partition=slots.Partition)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(update, "POLL_EVERY_S", 0.05)
    for name in ("LIMPET_TOKEN", "LIMPET_PASSWORD", "LIMPET_UPDATE_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """The folder of a board with two slots."""
    monkeypatch.setenv("FAKE_BOARD", str(tmp_path))
    flash.divide(tmp_path, OLD)
    tree = air_board.make_tree(tmp_path / "board")
    shutil.copy(ROOT / "host_tests" / "fakes" / "slots.py", tree)
    loader = LOADER.format(dead=str(tmp_path / "dead"))
    air_board.change(tree / "boot.py", "import machine\n", loader + "import machine\n")
    air_board.change(tree / "main.py", MADE, MADE + CHIP)
    return tree


@pytest.fixture
def new(tmp_path):
    path = tmp_path / "new.bin"
    path.write_bytes(NEW)
    return path


def running(tree):
    return (tree.parent / "running").read_text()


def failure(*args):
    with pytest.raises(Failure) as raised:
        tool.update_firmware(*args)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def wait_until_kept(board):
    deadline = air_board.time.monotonic() + air_board.WAIT_S
    while json.loads(board.wait("api/update"))["state"]:
        assert air_board.time.monotonic() < deadline, board.output()
        air_board.time.sleep(0.02)


def test_new_image_runs_and_stays(tree, new, capfd):
    with FolderBoard(tree) as board:
        board.wait()
        assert tools_main(["update-firmware", "--host", board.url, "--image", str(new)]) == 0
        output = capfd.readouterr()
        assert "Writing MicroPython 1.29.0 to ota_1" in output.err and "before" in output.out
        assert (running(tree), board.lives) == ("ota_1", 2)
        wait_until_kept(board)
    with FolderBoard(tree) as board:
        board.wait()
        assert running(tree) == "ota_1"
        # And back into the first, as an .app-bin.
        app, _ = tool.load(new)
        (new.parent / "new.app-bin").write_bytes(app)
        done = tool.update_firmware(board.url, str(new.parent / "new.app-bin"))
        assert (done["slot"], done["sent_bytes"], running(tree)) == ("ota_0", len(app), "ota_0")
    assert (tree.parent / "ota_0").read_bytes().startswith(app)


def test_image_that_does_not_come_up_is_said_to_have_gone_back(tree, new):
    (tree.parent / "dead").touch()
    with FolderBoard(tree) as board:
        board.wait()
        assert "has gone back to" in failure(board.url, str(new))
        assert running(tree) == "ota_0"
        wait_until_kept(board)


def test_image_is_ours_or_the_pinned_one_unless_given(tree, new, monkeypatch):
    with FolderBoard(tree) as board:
        board.wait()
        monkeypatch.setattr(images, "ours", lambda chip: None)
        monkeypatch.setattr(images, "get", lambda chip: new if chip == "ESP32" else None)
        assert tool.update_firmware(board.url)["image"] == str(new)
    assert "no image of ours is here" in failure_of_find({"frozen": {"tree": "0"}})


def failure_of_find(info):
    with pytest.raises(Failure) as raised:
        tool.find("ESP32", info)
    return str(raised.value)


def test_wrong_image_is_one_line_and_nothing_is_written(tree, new, tmp_path):
    wrong = tmp_path / "wrong.bin"
    with FolderBoard(tree) as board:
        board.wait()
        for data, words in (
            (esp_image.make_image("ESP32-S3", app_bytes=8000), "is for the ESP32-S3"),
            (esp_image.make_image("ESP32", app_bytes=20000), "does not fit"),
            (NEW[:-1] + b"\0", "damaged"),
            (b"no image", "Not an image"),
        ):
            wrong.write_bytes(data)
            assert words in failure(board.url, str(wrong)), words
        assert "cannot be read" in failure(board.url, str(tmp_path / "none"))
        assert board.lives == 1
    assert (tmp_path / "ota_1").read_bytes().strip(b"\xff") == b""


def test_board_with_one_slot_is_told_how_to_have_two(tree, new):
    air_board.change(tree / "main.py", CHIP, "")
    with FolderBoard(tree) as board:
        board.wait()
        assert "flash --layout ota" in failure(board.url, str(new))


def test_what_is_sent_wrong_is_refused_and_the_old_image_stays(tree):
    with FolderBoard(tree) as board, httpx.Client(base_url=board.url + "api/update/", timeout=60) as client:
        board.wait()
        assert client.put("image", content=OLD).status_code == 400
        digest = {"Content-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}
        assert client.put("image", content=OLD, headers=digest).status_code == 422
        assert client.put("image", content=bytes(20000), headers=digest).status_code == 413
        assert client.post("image", json={"image": 64 * "0", "bytes": len(OLD)}).status_code == 409
        assert client.post("image", json={"image": 64 * "0", "bytes": 1 << 20}).status_code == 413
        for bad in ({}, {"image": "0", "bytes": 1}, {"image": 64 * "0"}):
            assert client.post("image", json=bad).status_code == 422
        for size in (-1, 0):
            assert client.post("image", json={"image": 64 * "0", "bytes": size}).status_code in (409, 422)
        assert board.lives == 1
    assert running(tree) == "ota_0"


def test_board_that_knows_its_owner_takes_a_signed_image_alone(tree, new, tmp_path, monkeypatch):
    assert tools_main(["cert", "--update", "--out", str(tmp_path / "key")]) == 0
    with FolderBoard(tree) as board:
        board.wait()
        shutil.copy(tmp_path / "key" / signing.PUBLIC, tree / "data" / "update.pub")
        monkeypatch.setattr(signing, "FOLDER", str(tmp_path))
        assert "signed updates alone" in failure(board.url, str(new))
        other = tmp_path / "other.pem"
        other.write_bytes(signing.make()[signing.KEY])
        monkeypatch.setenv("LIMPET_UPDATE_KEY", str(other))
        assert "what its owner has signed" in failure(board.url, str(new))
        assert board.lives == 1
        monkeypatch.setenv("LIMPET_UPDATE_KEY", str(tmp_path / "key" / signing.KEY))
        assert tool.update_firmware(board.url, str(new))["slot"] == "ota_1"


def test_image_needs_an_administrator(tree, new, monkeypatch):
    with FolderBoard(tree) as board, httpx.Client(base_url=board.url + "api/", timeout=60) as client:
        board.wait()
        assert client.put("password", json={"new": "correct horse"}).status_code == 200
        client.cookies.clear()
        for method in ("GET", "PUT", "POST"):
            assert client.request(method, "update/image").status_code == 401
        assert (tree.parent / "ota_1").read_bytes().strip(b"\xff") == b""
