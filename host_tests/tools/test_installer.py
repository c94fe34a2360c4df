"""`python3 -m tools install-page`: its manifest against its files, on an emulated flash; and its page in Chromium."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import sys
import tarfile
import threading

import pytest

if sys.version_info < (3, 10):
    pytest.skip("esptool, which looks into an image, needs Python 3.10", allow_module_level=True)

import firmware
from host_tests.conftest import CI
from host_tests.esp_image import BOOTS_FROM, make_image
from host_tests.tools.test_disk import hashes, on_disk
from host_tests.vectors import improv
from tools import ROOT, __main__, disk, images, installer, memory, partitions
from tools import chip as chips
from tools.console import Failure

# As it is, where a test has another in its place.
PACKAGE = installer.package

# What is in a package, as far as anybody looks into it; and what browsers do not load.
PACKED = {
    "package/LICENSE": "license",
    "package/dist/web/install-button.js": "",
    "package/dist/web/serial-launch-button.js": "",
    "package/dist/other.js": "",
    "package/src/web/x.ts": "",
}
TREE = {"boot.py": b"boot", "/firmware/site/www/index.html": b"page" * 2000}

# What a board says to commands 1 to 4.
BOARD = {name: going for name, _, going, _ in improv.CASES}
ANSWERS = {1: BOARD["join"], 2: BOARD["state"], 3: BOARD["about"], 4: BOARD["scan"]}


@pytest.fixture
def made(monkeypatch, tmp_path, images_apart):
    """Images for three chips, packages of npm, and a small tree; a function that makes the folder of the page."""
    monkeypatch.setattr(installer, "CACHE", tmp_path / "npm")
    monkeypatch.setattr(memory, "weigh_new", lambda root, chip, tree, force: None)
    monkeypatch.setattr(disk, "files", lambda root, chip, tree, settings: dict(TREE))
    rows = []
    images.CACHE.mkdir()
    for chip, has_files in (("ESP32", False), ("ESP32-S3", True), ("ESP32-C5", True)):
        content = make_image(chip, app_bytes=5000, files_bytes=0x200000 * has_files)
        row = {"chip": chip, "board": chip, "file": f"{chip}.bin", "bytes": len(content)}
        rows.append({**row, "sha256": hashlib.sha256(content).hexdigest()})
        (images.CACHE / row["file"]).write_bytes(content)
    rows.append({"chip": "ESP32-C6", "board": "x", "file": "x.bin", "bytes": None, "sha256": None})
    images.TABLE.write_text(json.dumps({"version": "1.29.0", "folder": "http://127.0.0.1:1/", "images": rows}))
    monkeypatch.setattr(installer, "package", functools.partial(packed, tmp_path))

    def make(*args):
        return __main__.main(["install-page", str(tmp_path / "page"), *args])

    make.folder = tmp_path / "page"
    return make


def packed(folder, name):
    """Make a package of npm."""
    (folder / "packages" / "package").mkdir(parents=True, exist_ok=True)
    file = folder / "packages" / f"{name}.tgz"
    with tarfile.open(file, "w:gz") as made:
        for path, text in PACKED.items():
            (folder / "packages" / "file").write_text(text)
            made.add(folder / "packages" / "file", path)
    return file


def flashed(folder, chip):
    """Return what the flash of a chip has once the page has written what the manifest says, as ESP Web Tools does."""
    told = json.loads((folder / "manifest.json").read_text())
    (build,) = [build for build in told["builds"] if build["chipFamily"] == chip]
    flash = bytearray(b"\xff" * installer.FLASH_BYTES)
    ends = []
    for part in build["parts"]:
        data = (folder / part["path"]).read_bytes()
        at = part["offset"]
        assert at % 4096 == 0 and at >= max(ends, default=0)
        flash[at : at + len(data)] = data
        ends.append(at + len(data))
    assert ends[-1] <= len(flash)
    return flash


# -- the manifest and its files


def test_manifest_names_each_chip_with_an_image_and_files_that_are_there(made, capsys):
    assert made() == 0
    told = json.loads((made.folder / "manifest.json").read_text())
    assert (told["name"], told["version"]) == (firmware.NAME, firmware.VERSION)
    assert [build["chipFamily"] for build in told["builds"]] == ["ESP32", "ESP32-S3", "ESP32-C5"]
    named = [part["path"] for build in told["builds"] for part in build["parts"]]
    assert sorted(named) == sorted(file.name for file in made.folder.glob("*.bin")) and len(named) == 12
    printed = capsys.readouterr()
    assert "installs Limpet on ESP32, ESP32-S3, ESP32-C5." in printed.out
    assert "ESP32-C6 is left out: No SHA-256 is on record" in printed.err


@pytest.mark.parametrize("chip", ["ESP32", "ESP32-S3", "ESP32-C5"])
def test_flash_has_the_image_a_table_and_the_files(made, chip, micropython, tmp_path):
    made()
    flash = flashed(made.folder, chip)
    at = BOOTS_FROM[chip]
    # Whole, by all the sums it has.
    assert chips.read_image(bytes(flash[at:]))["chip"] == chip
    image = (images.CACHE / f"{chip}.bin").read_bytes()
    assert flash[0x10000 : at + len(image)] == image[0x10000 - at :]
    table = partitions.read(bytes(flash), partitions.ADDRESS)
    # Of a size that is known, whatever the board's flash has.
    (files,) = [part for part in table if part.label == "vfs"]
    assert (files.at, files.end) == (0x200000, installer.FLASH_BYTES)
    (tmp_path / "flash").write_bytes(flash[files.at :])
    assert on_disk(tmp_path / "flash", micropython) == hashes(
        {**{"/" + path.lstrip("/"): data for path, data in TREE.items()}, installer.MARK: installer.MARK_TEXT}
    )


def test_mark_is_the_one_that_boot_looks_for():
    assert f'_MARK = "{installer.MARK}"' in (ROOT / "boot.py").read_text()


def test_folder_has_what_the_page_loads_and_nothing_else(made):
    made()
    page = (made.folder / "index.html").read_text()
    for name in (
        "esp-web-tools/install-button.js",
        "improv-wifi-serial-sdk/serial-launch-button.js",
        "page.js",
        "page.css",
    ):
        assert f'"{name}"' in page and (made.folder / name).is_file()
    assert "http" not in page.replace("http-equiv", "")
    there = {file.name for file in (made.folder / "esp-web-tools").iterdir()}
    assert there == {"LICENSE", "install-button.js", "serial-launch-button.js"}


def test_folder_with_files_is_not_written_over(made, capsys):
    made.folder.mkdir()
    (made.folder / "mine").write_text("")
    assert made() == 1
    assert "has something in it" in capsys.readouterr().err
    assert [file.name for file in made.folder.iterdir()] == ["mine"]


def test_chip_without_memory_for_the_tree_is_left_out(made, monkeypatch, capsys):
    def weigh(root, chip, tree, force):
        if chip == "ESP32" and not force:
            raise Failure("too few")

    monkeypatch.setattr(memory, "weigh_new", weigh)
    assert made("--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["chips"] == ["ESP32-S3", "ESP32-C5"] and "ESP32 is left out: too few" in printed.err


def test_without_any_image_nothing_is_made(made, capsys):
    images.TABLE.write_text(json.dumps({"version": "1.29.0", "folder": "x", "images": []}))
    assert made() == 1
    assert "There is no image for any chip" in capsys.readouterr().err and not made.folder.exists()


# -- npm


def test_package_that_is_not_on_record_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(installer, "CACHE", tmp_path)
    (tmp_path / "esp-web-tools-10.4.0.tgz").write_bytes(b"another")
    with pytest.raises(Failure, match="is not what is on record"):
        installer.package("esp-web-tools")


def test_without_npm_the_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(installer, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="fetched with npm, which is not here"):
        installer.package("esp-web-tools")


def test_npm_that_fails_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(installer, "CACHE", tmp_path / "cache")
    (tmp_path / "npm").write_text(
        '#!/bin/sh\ncase "$*" in *--silent*) exit 1; esac\necho npm error code ENOTFOUND >&2\nexit 1\n'
    )
    (tmp_path / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(Failure, match="npm cannot bring esp-web-tools@10.4.0: npm error code ENOTFOUND"):
        installer.package("esp-web-tools")


# -- the page


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and says nothing."""

    asked = []

    def log_message(self, *args):
        pass

    def do_GET(self):
        Quiet.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def address(made, monkeypatch):
    """Where the folder is served, with the packages of npm themselves. Without a network the test is skipped."""
    monkeypatch.setattr(installer, "CACHE", ROOT / ".cache" / "npm")
    monkeypatch.setattr(installer, "package", PACKAGE)
    try:
        for name in installer.PACKAGES:
            installer.package(name)
    except Failure as failure:
        (pytest.fail if CI else pytest.skip)(str(failure))
    made()
    handler = functools.partial(Quiet, directory=str(made.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


# Stands for a cable: at its other end a board answers what `ANSWERS` has, {command: bytes}, and nothing else.
PORT = """
(answers) => {
  navigator.serial.requestPort = async () => {
    let to;
    return {
      open: async () => {}, close: async () => {}, getInfo: () => ({}), addEventListener() {}, removeEventListener() {},
      readable: new ReadableStream({ start(controller) { to = controller; } }),
      writable: new WritableStream({
        write(packet) { if (answers[packet[9]]) to.enqueue(new Uint8Array(answers[packet[9]])); },
      }),
    };
  };
}
"""


def test_page_offers_to_install_what_the_manifest_has(address, chromium):
    Quiet.asked.clear()
    page = chromium.open(address)
    page.get_by_text("ESP32, ESP32-S3, ESP32-C5").wait_for()
    page.get_by_role("button", name="Set the Wi-Fi").wait_for()
    page.evaluate(PORT, {})
    page.get_by_role("button", name="Install", exact=True).click()
    # Nobody speaks Improv, so all that the page can do is to install.
    page.locator("ew-list-item").get_by_text("Install Limpet").wait_for()
    assert "/manifest.json" in Quiet.asked
    (said,) = chromium.errors
    assert "Improv Wi-Fi Serial not detected" in said
    chromium.errors.clear()
    chromium.close()


def test_page_asks_for_the_wifi_and_links_to_the_board(address, chromium):
    """With what a board answers, byte by byte, in the vectors that firmware/board/improv.py holds."""
    answers = {str(number): list(going) for number, going in ANSWERS.items()}
    page = chromium.open(address)
    page.evaluate(PORT, answers)
    page.get_by_role("button", name="Install", exact=True).click()
    page.locator("ew-list-item").get_by_text("Connect to Wi-Fi").click()
    page.get_by_label("Password").fill("password1")
    page.get_by_role("button", name="Connect", exact=True).click()
    link = page.locator("ew-list-item", has_text="Visit Device")
    link.wait_for()
    assert link.get_attribute("href") == improv.ADDRESS
    chromium.close()
