"""`python3 -m tools images`: the table of MicroPython's images, made anew by its site, of which this is a recording."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import urllib.error
import zipfile

import pytest

if sys.version_info < (3, 10):
    pytest.skip("esptool, which looks into an image, needs Python 3.10", allow_module_level=True)

from host_tests.esp_image import make_image
from tools import __main__, images, listing
from tools.console import Failure
from tools.image import MICROPYTHON

# What a board's page has of interest: releases, previews and variants, the newest first.
PAGE = """
<h2>Firmware</h2><h3>Releases</h3>
<strong><a href="/resources/firmware/BOARD-20260824-v1.29.0.bin">v1.29.0 (2026-08-24) .bin</a></strong> /
<a href="/resources/firmware/BOARD-20260824-v1.29.0.app-bin">[.app-bin]</a> /
<a href="/resources/firmware/BOARD-20260824-v1.29.0.elf">[.elf]</a> (latest)<br>
<a href="/resources/firmware/BOARD-20260406-v1.28.0.bin">v1.28.0 (2026-04-06) .bin</a>
<h3>Preview builds</h3>
<a href="/resources/firmware/BOARD-20261120-v1.30.0-preview.42.gabcdef0123.bin">v1.30.0-preview.42 .bin</a>
<h2>Firmware (Support for SPIRAM)</h2>
<a href="/resources/firmware/BOARD-SPIRAM-20260824-v1.29.0.bin">v1.29.0 (2026-08-24) .bin</a>
"""


class Site:
    """MicroPython's site: `files` at their addresses; `asked` has those that were asked for."""

    def __init__(self):
        self.files, self.asked = {}, []
        for chip in listing.CHIPS:
            board = chip.replace("ESP32", "ESP32_GENERIC").replace("-", "_")
            self.files[f"{listing.PAGES}{board}/"] = PAGE.replace("BOARD", board).encode()
            self.files[self.image(chip)] = make_image(chip, version=MICROPYTHON, app_bytes=2000)

    def image(self, chip):
        board = chip.replace("ESP32", "ESP32_GENERIC").replace("-", "_")
        return f"{listing.FOLDER}{board}-20260824-v1.29.0.bin"

    def page(self, chip):
        return f"{listing.PAGES}{chip.replace('ESP32', 'ESP32_GENERIC').replace('-', '_')}/"

    def open(self, url, timeout):
        self.asked.append(url)
        content = self.files.get(url)
        if content is None:
            raise urllib.error.HTTPError(url, 404, "Not Found", {}, None)
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)


@pytest.fixture
def site(images_apart):
    """The site; nothing was fetched from it, and nothing is on record."""
    images.TABLE.write_text('{"images": []}')
    return Site()


def test_table_has_each_chips_image_of_the_pinned_release_with_its_sum(site):
    made = listing.renew(site.open)
    assert made == images.table() and made["version"] == MICROPYTHON
    assert [row["chip"] for row in made["images"]] == list(listing.CHIPS)
    for row in made["images"]:
        content = site.files[site.image(row["chip"])]
        assert row["file"] == f"{row['board']}-20260824-v1.29.0.bin"
        assert (row["bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        # `flash` takes it from there.
        assert images.get(row["chip"]).read_bytes() == content
    assert sorted(images.CACHE.iterdir()) == sorted(images.CACHE / row["file"] for row in made["images"])


def test_second_update_fetches_no_image_again(site):
    made = listing.renew(site.open)
    site.asked.clear()
    assert listing.renew(site.open) == made
    assert site.asked == [site.page(chip) for chip in listing.CHIPS]


def test_other_file_under_a_name_on_record_fails(site):
    listing.renew(site.open)
    before = images.TABLE.read_bytes()
    site.files[site.image("ESP32-C3")] = make_image("ESP32-C3", version=MICROPYTHON, app_bytes=3000)
    for file in images.CACHE.iterdir():
        file.unlink()
    with pytest.raises(Failure, match="C3.*is not what is on record"):
        listing.renew(site.open)
    assert images.TABLE.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (make_image("ESP32-C3", version=MICROPYTHON), "is for the ESP32-C3, but"),
        (make_image("ESP32-C6", version="1.28.0"), "has MicroPython 1.28.0 in it"),
        (b"<!doctype html>", "Not an image for an ESP32"),
        (make_image("ESP32-C6")[:-50], "image is damaged"),
        (b"\xff" * (images.LARGEST_BYTES + 1), "sends more than"),
        (None, "is listed, but is not there"),
        (OSError("no route"), "No look at .*no route"),
    ],
    ids=["another chip's", "older", "a page", "half", "too large", "nothing", "no network"],
)
def test_image_that_is_not_right_leaves_the_table_and_nothing_else(site, content, words):
    before = images.TABLE.read_bytes()
    site.files[site.image("ESP32-C6")] = content
    with pytest.raises(Failure, match=words):
        listing.renew(site.open)
    assert images.TABLE.read_bytes() == before
    assert not [file for file in images.CACHE.iterdir() if "C6" in file.name]


def test_chip_without_a_page_is_left_out_unless_it_is_on_record(site, capsys):
    content = site.files.pop(site.page("ESP32-C2"))
    assert "ESP32-C2" not in [row["chip"] for row in listing.renew(site.open)["images"]]
    assert "MicroPython has no page for the ESP32-C2" in capsys.readouterr().err
    site.files[site.page("ESP32-C2")] = content
    listing.renew(site.open)
    del site.files[site.page("ESP32-C2")]
    with pytest.raises(Failure, match="C2/ lists no image of"):
        listing.renew(site.open)
    assert "ESP32-C2" in [row["chip"] for row in images.table()["images"]]


def test_newer_release_is_told_and_not_taken(site, capsys):
    site.files[site.page("ESP32")] += b'<a href="/resources/firmware/ESP32_GENERIC-20270301-v1.30.0.bin">'
    assert listing.renew(site.open)["images"][0]["file"] == "ESP32_GENERIC-20260824-v1.29.0.bin"
    assert "MicroPython 1.30.0 is out" in capsys.readouterr().err


def test_command_shows_the_table(capsys):
    assert __main__.main(["images"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(listing.CHIPS)
    assert __main__.main(["images", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == images.table()
    # As an update would write it: a change is one of rows, not of form.
    assert images.TABLE.read_text() == json.dumps(images.table(), indent=2) + "\n"


# -- what the table lacks


@pytest.fixture
def mpflash(tmp_path, monkeypatch):
    """mpflash, as far as anybody looks into it."""
    rows = [
        f"v{MICROPYTHON},M5STACK_TAB5,x,esp32p4,,esp32,p,d,micropython",
        f"v{MICROPYTHON},ESP32_GENERIC_P4,x,esp32p4,,esp32,p,d,micropython",
        f"v{MICROPYTHON},ESP32_GENERIC_P4-C6_WIFI,x,esp32p4,C6_WIFI,esp32,p,d,micropython",
        "v1.18,OLD_P4,x,esp32p4,,esp32,p,d,micropython",
    ]
    head = "version,board_id,board_name,mcu,variant,port,path,description,family"
    (tmp_path / "mpflash" / "db").mkdir(parents=True)
    (tmp_path / "mpflash" / "__init__.py").write_text("")
    with zipfile.ZipFile(tmp_path / "mpflash" / listing.BOARDS, "w") as packed:
        packed.writestr("micropython_boards.csv", "\n".join([head, *rows]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mpflash", raising=False)


def test_chip_that_the_table_lacks_is_told_with_the_boards_that_have_it(mpflash):
    with pytest.raises(Failure) as raised:
        images.get("ESP32-P4")
    assert str(raised.value) == (
        "No MicroPython image is known for the ESP32-P4: give one with --image FILE. MicroPython has it on these"
        " boards: ESP32_GENERIC_P4, M5STACK_TAB5 (https://micropython.org/download/BOARD/ has each one's .bin)."
    )
    assert listing.hint("ESP32-H4") == f"MicroPython {MICROPYTHON} has no board with it."


def test_without_mpflash_the_line_says_that_it_would_know(monkeypatch):
    monkeypatch.setattr(listing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Failure, match="--image FILE. Once mpflash is installed .`pip install mpflash`."):
        images.get("ESP32-P4")
