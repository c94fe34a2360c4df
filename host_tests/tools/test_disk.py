"""tools/disk.py: a board's first file system, mounted by real MicroPython and booted from; and `flash --wifi`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
import threading

import pytest

if sys.version_info < (3, 10):
    pytest.skip("esptool 5, which flashes, needs Python 3.10", allow_module_level=True)

from firmware.features import passwords
from host_tests.conftest import interpreter_named
from host_tests.emulated_board import EmulatedBoard
from host_tests.emulated_rom import Rom
from host_tests.esp_image import BOOTS_FROM, make_image
from host_tests.serial_lines import PtyLine
from tools import ROOT, __main__, deploy, disk, flash, images, manifest, memory, partitions
from tools.console import Failure

FILES_AT, FILES_BYTES = 0x200000, 0x200000
BLOCKS = FILES_BYTES // 4096
WIFI = {"ssid": "Barn", "password": "correct horse"}

# Reads all of a file system in a file, through the driver that a board mounts it with.
READ = """
import vfs, os, hashlib, binascii
class Disk:
    def __init__(self):
        self.file = open("PATH", "r+b")
    def readblocks(self, number, buffer, offset=0):
        self.file.seek(number * 4096 + offset)
        self.file.readinto(buffer)
    def writeblocks(self, number, buffer, offset=0):
        self.file.seek(number * 4096 + offset)
        self.file.write(buffer)
    def ioctl(self, operation, argument):
        return {4: BLOCKS, 5: 4096, 6: 0}.get(operation)
vfs.mount(vfs.VfsLfs2(Disk()), "/disk")
def walk(folder):
    for name, kind, _, _ in os.ilistdir(folder):
        path = folder + "/" + name
        if kind == 0x4000:
            walk(path)
        else:
            with open(path, "rb") as file:
                print(binascii.hexlify(hashlib.sha256(file.read()).digest()).decode(), path[5:])
walk("/disk")
with open("/disk/later", "w") as file:
    file.write("there is room for more")
"""


def on_disk(path, interpreter, blocks=BLOCKS):
    """Return {path: hash} of the file system in a file, as MicroPython reads it."""
    text = READ.replace("PATH", str(path)).replace("BLOCKS", str(blocks))
    lines = interpreter.run("-c", text).stdout.splitlines()
    return dict(reversed(line.split(" ", 1)) for line in lines)


def hashes(files):
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


# -- the file system


def test_whole_tree_is_what_micropython_finds(micropython, tmp_path):
    files = disk.files(ROOT, "ESP32", None, disk.settings(WIFI, "barn", "correct horse"))
    made = disk.make(files, FILES_BYTES)
    assert len(made) % 4096 == 0 and sum(map(len, files.values())) < len(made) < FILES_BYTES
    (tmp_path / "flash").write_bytes(made.ljust(FILES_BYTES, b"\xff"))
    assert on_disk(tmp_path / "flash", micropython) == hashes(files)


def test_manifest_is_the_one_that_deploy_leaves():
    files = disk.files(ROOT, "ESP32-C3", None, b"{}")
    wanted = manifest.build(ROOT, "rv32imc")
    assert manifest.parse(files[manifest.MANIFEST]) == hashes(wanted)
    assert set(files) == {*wanted, manifest.MANIFEST, "/data/config.json"}


def test_pages_alone_go_with_an_image_that_has_the_modules():
    files = disk.files(ROOT, "ESP32", manifest.tree_hash(ROOT), b"{}")
    assert not [path for path in files if path.endswith(".mpy")]
    assert "/firmware/site/www/index.html" in files


@pytest.mark.parametrize("size", [64 * 4096, 512 * 4096])
def test_file_system_of_any_size_is_mounted(size, micropython, tmp_path):
    files = {"/a/b/c": b"deep", "/empty": b"", "/long": bytes(range(256)) * 100}
    (tmp_path / "flash").write_bytes(disk.make(files, size).ljust(size, b"\xff"))
    assert on_disk(tmp_path / "flash", micropython, size // 4096) == hashes(files)


def test_more_than_there_is_room_for_is_refused():
    with pytest.raises(Failure, match="The files do not fit into the 256 KB that the image has"):
        disk.make({"/large": b"x" * 300_000}, 256 * 1024)


@pytest.mark.parametrize("chip", ["ESP32", "ESP32-C3"])
def test_place_is_that_of_the_image(chip):
    table = partitions.read(make_image(chip), 0x8000 - BOOTS_FROM[chip])
    assert partitions.files(table, None)[3:] == (FILES_AT, FILES_BYTES)


def test_place_of_an_image_without_one_is_what_it_leaves_of_the_flash():
    """As MicroPython has it from 1.26 on, and as an image of one's own."""
    table = partitions.read(make_image("ESP32", files_bytes=0), 0x8000 - 0x1000)
    assert partitions.files(table, 4 * 1024 * 1024)[3:] == (FILES_AT, FILES_BYTES)


# -- the settings


def test_settings_have_network_name_and_a_password_that_opens_the_page():
    made = json.loads(disk.settings(WIFI, "barn", "a long password"))
    assert (made["networks"], made["hostname"]) == ([WIFI], "barn")
    assert asyncio.run(passwords.verify("a long password", made["admin"]))


@pytest.mark.parametrize(
    "wifi, name, password, words",
    [
        (WIFI, None, "short", "The password for the page"),
        (WIFI, "no spaces", "correct horse", "hostname"),
        ({"ssid": "", "password": None}, None, "correct horse", "networks.0.ssid"),
    ],
)
def test_settings_that_a_board_would_refuse_are_refused(wifi, name, password, words):
    with pytest.raises(Failure, match=words):
        disk.settings(wifi, name, password)


def test_new_password_is_another_each_time_and_one_that_is_taken():
    made = {disk.new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(json.loads(disk.settings(WIFI, None, password))["admin"] for password in sorted(made)[:2])


# -- one pass


class Starting(Rom):
    """A chip that boots what is in its flash: a real MicroPython with the file system of the partition."""

    def __init__(self, folder, files_at=FILES_AT):
        self.folder, self.files_at = folder, files_at
        self.board = None
        super().__init__("ESP32")

    def reset(self, boot_held):
        is_start = not boot_held and self.flash[self.files_at] != 0xFF and self.board is None
        send = self.send
        if is_start:
            self.send = lambda banner: None
        super().reset(boot_held)
        self.send = send
        if is_start:
            file = self.folder / "files"
            file.write_bytes(self.flash[self.files_at :])
            blocks = file.stat().st_size // 4096
            self.board = EmulatedBoard(file, interpreter_named("amd64"), blocks=blocks).__enter__()
            threading.Thread(target=self._forward, daemon=True).start()

    def _forward(self):
        sent = 0
        while self.board is not None:
            with contextlib.suppress(TypeError):
                console = self.board.console
                self.send(console[sent:])
                sent = len(console)
            threading.Event().wait(0.05)


MAIN = """
import json
import time
from firmware import value
with open("/data/config.json") as file:
    network = json.load(file)["networks"][0]["ssid"]
# Whoever opens the port late finds it all the same.
while True:
    print("limpet: joined %s, http://127.0.0.1:9/ %d" % (network, value.VALUE))
    time.sleep(0.2)
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A small tree with native code, as new on a board."""
    files = {
        "boot.py": "def switch():\n    pass\nprint('boot')\n# switch(",
        "main.py": MAIN,
        "firmware/__init__.py": "",
        "firmware/value.py": "VALUE = 42\n",
    }
    for path, text in files.items():
        (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / path).write_text(text)
    # What runs in place of the chip is this machine.
    monkeypatch.setattr(disk, "architecture", lambda chip: "x64")
    return flash.Site(tmp_path / "tree", disk.settings(WIFI, None, "correct horse"), False)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.bin"
    path.write_bytes(make_image("ESP32"))
    return path


@pytest.mark.parametrize("layout, files_at", [(None, FILES_AT), (flash.OTA, 0x370000)])
def test_one_pass_ends_with_a_server(site, image, tmp_path, layout, files_at):
    rom = Starting(tmp_path, files_at)
    with PtyLine(rom) as line:
        try:
            done = flash.flash(line.name, str(image), False, site, layout)
        finally:
            if rom.board:
                rom.board.__exit__()
    assert (done["address"], done["version"], done["console"][-1]) == (
        "http://127.0.0.1:9/",
        "1.29.0",
        "limpet: joined Barn, http://127.0.0.1:9/ 42",
    )
    content = image.read_bytes()
    assert rom.flash[0x10000 : 0x1000 + len(content)] == content[0xF000:]
    assert (rom.flash[0x8000:0x9000] == content[0x7000:0x8000]) == (layout is None)
    assert rom.started == 1


def test_pages_of_an_image_with_the_modules_fit_beside_two_slots(micropython, tmp_path):
    """The whole tree as files takes more: some 800 KB, as each file has a block of its own."""
    files = disk.files(ROOT, "ESP32", manifest.tree_hash(ROOT), disk.settings(WIFI, "barn", "correct horse"))
    place = partitions.files(partitions.two_slots(4 * 1024 * 1024), None)
    (tmp_path / "flash").write_bytes(disk.make(files, place.bytes).ljust(place.bytes, b"\xff"))
    assert on_disk(tmp_path / "flash", micropython, place.bytes // 4096) == hashes(files)


def test_files_that_are_there_are_not_written_over(site, image):
    rom = Rom("ESP32")
    rom.flash[FILES_AT : FILES_AT + 4] = b"data"
    before = bytes(rom.flash)
    with PtyLine(rom) as line, pytest.raises(Failure, match="nothing was written"):
        flash.flash(line.name, str(image), False, site)
    assert rom.flash == before


def test_tree_that_a_plain_chip_has_no_room_for_is_refused(image, monkeypatch):
    monkeypatch.setattr(memory, "needed", lambda root, form: 117 * 1024)
    rom = Rom("ESP32")
    with PtyLine(rom) as line, pytest.raises(Failure, match="needs 117 KB for Python; a ESP32 without PSRAM has 112"):
        flash.flash(line.name, str(image), False, flash.Site(ROOT, b"{}", False))
    assert rom.flash.count(0xFF) == len(rom.flash)
    memory.weigh_new(ROOT, "ESP32", None, True)
    memory.weigh_new(ROOT, "ESP32-S3", None, False)
    memory.weigh_new(ROOT, "ESP32", manifest.tree_hash(ROOT), False)


def test_tree_of_an_image_is_that_of_the_row_beside_it(image):
    assert images.frozen_tree(image) is None
    row = {"tree": "1" * 64, "sha256": images.sha256(image)}
    image.with_suffix(".json").write_text(json.dumps(row))
    assert images.frozen_tree(image) == "1" * 64
    image.with_suffix(".json").write_text(json.dumps({**row, "sha256": "0" * 64}))
    assert images.frozen_tree(image) is None


def test_name_without_a_network_is_refused(capsys):
    with pytest.raises(SystemExit):
        __main__.main(["flash", "--port", "/dev/null", "--name", "barn"])
    assert "give --wifi, too" in capsys.readouterr().err


@pytest.mark.parametrize("given", [None, "correct horse"])
def test_password_that_was_made_is_printed_and_one_that_was_given_is_not(given, monkeypatch, capsys):
    seen = []

    def write(port, image, erase, site, layout):
        seen.append(json.loads(site.settings))
        return {"port": port, "address": "http://192.168.1.7/"}

    monkeypatch.setattr(flash, "flash", write)
    monkeypatch.setattr(deploy, "ask_network", lambda ssid: {"ssid": ssid, "password": "correct horse"})
    if given:
        monkeypatch.setenv("LIMPET_PASSWORD", given)
    assert __main__.main(["flash", "--port", "COM3", "--wifi", "Barn", "--name", "barn"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "COM3: Limpet serves: http://192.168.1.7/"
    assert len(said) == (1 if given else 2)
    password = given or said[1].split(": ")[1].split(" ")[0]
    assert asyncio.run(passwords.verify(password, seen[0]["admin"])) and seen[0]["hostname"] == "barn"
