"""`python3 -m tools flash`: the real esptool against an emulated chip, whose flash is compared byte by byte."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

if sys.version_info < (3, 10):
    pytest.skip("esptool 5, which flashes, needs Python 3.10", allow_module_level=True)

import serial
from esptool.loader import StubFlasher
from esptool.targets import ESP32ROM

from host_tests.conftest import interpreter_named
from host_tests.emulated_board import EmulatedBoard
from host_tests.emulated_rom import FLASH_BYTES, KINDS, Rom
from host_tests.esp_image import BOOTS_FROM, app_version, make_image
from host_tests.serial_lines import PtyLine, TcpLine
from tools import ROOT, __main__, chip, devices, flash, images, listing, ports
from tools import image as builder
from tools.board import Board
from tools.console import Failure

CHIPS = sorted(KINDS)
# One of each way to tell which chip it is, and of each processor.
KINDS_OF_CHIPS = ("ESP32", "ESP32-S3", "ESP32-C3")
# Where MicroPython keeps its file system.
FILES_AT = 0x200000
FILES = b"settings and data" * 100


def run(*args):
    """Run the command as a shell would; return a CompletedProcess."""
    command = [sys.executable, "-m", "tools", "flash", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture
def failure(capsys):
    """A function that runs the command, which is to fail, and returns its one line."""

    def run_failing(*args):
        status = __main__.main(["flash", *map(str, args)])
        printed = capsys.readouterr()
        assert (status, printed.out, printed.err.count("\n")) == (1, "", 1), printed
        return printed.err

    return run_failing


def image_file(folder, name, **options):
    """Write an image for the chip called `name`; return (path, content)."""
    content = make_image(name, **options)
    path = folder / f"{name}.bin"
    path.write_bytes(content)
    return path, content


def assert_flash(rom, content, beside=b""):
    """Assert that the chip's flash holds the image where it boots from, `beside` at FILES_AT, and nothing else."""
    expected = bytearray(b"\xff" * FLASH_BYTES)
    at = BOOTS_FROM[rom.name]
    expected[at : at + len(content)] = content
    expected[FILES_AT : FILES_AT + len(beside)] = beside
    assert rom.flash == expected


# -- done


@pytest.mark.parametrize("name", CHIPS)
def test_image_is_written_and_its_prompt_answers(name, tmp_path, capsys):
    path, content = image_file(tmp_path, name, version="1.29.0")
    with PtyLine(Rom(name)) as line:
        status = __main__.main(["flash", "--port", line.name, "--image", str(path)])
    assert (status, line.rom.started) == (0, 1)
    machine, printed = name.replace("-", ""), capsys.readouterr()
    assert printed.out == f"{line.name}: MicroPython 1.29.0 runs on Generic {machine} module with {machine}.\n"
    assert "\x1b" not in printed.out + printed.err
    assert_flash(line.rom, content)


def test_files_on_the_board_stay_unless_it_is_erased(tmp_path):
    path, content = image_file(tmp_path, "ESP32")
    for erase, beside in ((False, FILES), (True, b"")):
        rom = Rom("ESP32")
        rom.flash[FILES_AT : FILES_AT + len(FILES)] = FILES
        with PtyLine(rom) as line:
            flash.flash(line.name, str(path), erase)
        assert_flash(rom, content, beside)
        assert ("erase_flash" in rom.log) == erase


def test_older_image_is_replaced(tmp_path):
    rom = Rom("ESP32-C3")
    old = make_image("ESP32-C3", version="1.25.0", app_bytes=50_000)
    rom.flash[: len(old)] = old
    path, content = image_file(tmp_path, "ESP32-C3")
    with PtyLine(rom) as line:
        assert flash.flash(line.name, str(path))["version"] == "1.29.0"
    assert_flash(rom, content)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_running_board_is_reset_into_its_bootloader_and_out_again(tmp_path):
    """With reset lines, as every board with a USB bridge has them, nobody has to press a button."""
    path, content = image_file(tmp_path, "ESP32", version="1.29.0", app_bytes=4000)
    rom = Rom("ESP32")
    old = make_image("ESP32", version="1.25.0", app_bytes=4000)
    rom.flash[0x1000 : 0x1000 + len(old)] = old
    rom.reset(boot_held=False)
    with TcpLine(rom, rfc2217=True) as line:
        assert flash.flash(line.name, str(path))["version"] == "1.29.0"
    assert (rom.started, rom.bootloader) == (2, False)
    assert_flash(rom, content)


def test_json_tells_what_was_done(tmp_path):
    path, content = image_file(tmp_path, "ESP32-S3")
    with TcpLine(Rom("ESP32-S3")) as line:
        done = run("--port", line.name, "--image", path, "--json")
    assert json.loads(done.stdout) == {
        "port": line.name,
        "chip": "ESP32-S3",
        "mac": "24:a1:60:57:ab:1c",
        "image": str(path),
        "sha256": hashlib.sha256(content).hexdigest(),
        "version": "1.29.0",
        "machine": "Generic ESP32S3 module with ESP32S3",
    }
    # Nobody can tell what rate the other end of a TCP connection has.
    assert "change_baudrate" not in line.rom.log
    assert_flash(line.rom, content)


def test_esptools_helper_is_what_runs_on_the_chip():
    with PtyLine(Rom("ESP32")) as line, chip.connect(line.name) as found:
        assert (found.name, found.mac, found.revision) == ("ESP32", "24:a1:60:57:ab:1c", "v3.0")
        assert (found.offset, found.flash_bytes, line.rom.baud) == (0x1000, FLASH_BYTES, chip.FAST_BAUD)
        helper = StubFlasher(ESP32ROM)
        assert line.rom.ram == {helper.text_start: helper.text, helper.data_start: bytes(helper.data)}


@pytest.mark.parametrize("name", KINDS_OF_CHIPS)
@pytest.mark.parametrize("options", [[], ["--no-stub"]], ids=["helper", "rom"])
def test_emulation_satisfies_esptools_own_command_line(name, options, tmp_path):
    """With its helper, and with the chip's ROM alone; compressed, so that every flash command is used."""
    path, content = image_file(tmp_path, name, app_bytes=20_000)
    at = BOOTS_FROM[name]

    def esptool(*args):
        with PtyLine(rom) as line:
            command = [sys.executable, "-m", "esptool", "--port", line.name, *options, *map(str, args)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    rom = Rom(name)
    rom.flash[FILES_AT : FILES_AT + len(FILES)] = FILES
    said = esptool("write-flash", "--compress", hex(at), path)
    assert f"Connected to {name} on" in said and "24:a1:60:57:ab:1c" in said and "Hash of data verified." in said
    assert_flash(rom, content, FILES)
    assert "flash_defl_begin" in rom.log and "flash_defl_data" in rom.log
    rom.reset(boot_held=True)
    if options:
        esptool("verify-flash", hex(at), path)
        return
    esptool("erase-region", hex(FILES_AT), "0x2000")
    assert_flash(rom, content)


def test_progress_ends_with_all_bytes():
    steps = []
    with PtyLine(Rom("ESP32")) as line, chip.connect(line.name) as found:
        found.write(0x1000, make_image("ESP32"), False, lambda sent, total: steps.append((sent, total)))
    assert steps == sorted(steps)
    assert len(steps) > 1 and steps[-1][0] == steps[-1][1]


class Booting(Rom):
    """A chip that starts a real MicroPython where the app is in its flash; `board` is that one."""

    def __init__(self, name, board):
        self.board = board
        self._end = None
        super().__init__(name)

    def reset(self, boot_held):
        super().reset(boot_held)
        if not boot_held and app_version(self.flash, self.boots_from) and self._end is None:
            self._end = serial.Serial(self.board.name, timeout=0.05)
            threading.Thread(target=self._forward, daemon=True).start()

    def receive(self, data):
        if self._end:
            self._end.write(data)
        else:
            super().receive(data)

    def _forward(self):
        with contextlib.suppress(OSError, TypeError):  # the board has gone
            while True:
                data = self._end.read(max(1, self._end.in_waiting))
                if data:
                    self.send(data)


def test_flashed_board_takes_files_and_runs_them(tmp_path):
    """From a blank chip to a program, on one port: esptool, then mpremote."""
    path, content = image_file(tmp_path, "ESP32")
    with EmulatedBoard(tmp_path / "flash", interpreter_named("amd64")) as board:
        rom = Booting("ESP32", board)
        with PtyLine(rom) as line:
            assert flash.flash(line.name, str(path))["machine"] == "Generic ESP32 module with ESP32"
            assert_flash(rom, content)
            with Board(line.name) as there:
                there.replace("/main.py", b"print(6 * 7)\n")
            board.wait_for(b"42\r\nMicroPython")
            assert devices.look(line.name)["chip"] == "ESP32"


def test_board_that_comes_back_under_another_name_is_found(monkeypatch):
    """A chip with a USB side of its own is one device in its bootloader, and another under MicroPython."""
    rom = Rom("ESP32-S3")
    content = make_image("ESP32-S3")
    rom.flash[: len(content)] = content
    rom.reset(boot_held=False)
    with PtyLine(rom) as line:
        monkeypatch.setattr(ports, "likely", lambda: [ports.Port(line.name, "Espressif", None)])
        found, running = flash.wait_for_prompt("/dev/ttyACM77")
    assert (found, running["version"]) == (line.name, "1.29.0")


# -- refused: the image


def test_image_of_another_chip_is_refused_before_anything_is_written(tmp_path):
    path, _ = image_file(tmp_path, "ESP32-S3")
    with PtyLine(Rom("ESP32-C3")) as line:
        said = run("--port", line.name, "--image", path).stderr.splitlines()[-1]
        line.wait_for_start()
    assert said == f"flash: {path} is for the ESP32-S3, but this board has the ESP32-C3: nothing was written."
    assert "flash_begin" not in line.rom.log and "flash_defl_begin" not in line.rom.log


def flipped(at):
    def damage(content):
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return damage


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda content: b"<!DOCTYPE html>" + content, "Not an image for an ESP32"),
        (lambda content: b"", "Not an image for an ESP32"),
        (lambda content: content[0x10000:], "no partition table"),
        (lambda content: content[:0x9000], "app cannot be read"),
        (lambda content: content[:-40], "app cannot be read"),
        (lambda content: content[:-100], "app cannot be read"),
        (flipped(100), "bootloader cannot be read (its checksum is wrong)"),
        (lambda content: make_image("ESP32-S3", ids=(8, 8)), "unknown chip id 8"),
        (lambda content: make_image("ESP32-S3", ids=(9, 5)), "its app for another chip"),
        (flipped(0x8000 + 24), "MD5 of its partition table is wrong"),
        (flipped(0x10000 + 5), "app cannot be read (its SHA-256 is wrong)"),
        (flipped(0x10000 + 5000), "app cannot be read (its checksum is wrong)"),
        (flipped(-1), "app cannot be read (its SHA-256 is wrong)"),
        (lambda content: content + b"\xff" * images.LARGEST_BYTES, None),
    ],
)
def test_damaged_image_is_told_before_the_port_is_opened(damage, line, tmp_path):
    path = tmp_path / "damaged.bin"
    path.write_bytes(damage(make_image("ESP32-S3")))
    if line is None:  # bytes behind it are no damage, but they do not fit
        with PtyLine(Rom("ESP32-S3")) as port, pytest.raises(Failure, match="does not fit"):
            flash.flash(port.name, str(path))
        return
    with pytest.raises(Failure) as raised:
        flash.flash("/dev/nothing", str(path))
    assert line in str(raised.value) and str(raised.value).startswith(str(path))


def test_images_of_the_tests_are_sound_to_esptool(tmp_path):
    name = "ESP32-S3"
    path, content = image_file(tmp_path, name)
    (tmp_path / "app.bin").write_bytes(content[0x10000 - BOOTS_FROM[name] :])
    for file in (path, tmp_path / "app.bin"):
        command = [sys.executable, "-m", "esptool", "image-info", str(file)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        assert f"Detected image type: {name}" in said
        assert said.count("(valid)") == 2, said
    assert "Project name: micropython" in said and "App version: v1.29.0" in said


def test_bootloader_with_another_flash_mode_is_sound(tmp_path):
    """Tools change it in the head and leave the SHA-256 as it was; chips start it."""
    content = flipped(2)(make_image("ESP32"))
    (tmp_path / "dout.bin").write_bytes(content)
    assert images.load(tmp_path / "dout.bin", "ESP32")[0] == content


def test_image_that_is_not_there_fails_with_one_line(tmp_path, failure):
    said = failure("--port", "/dev/nothing", "--image", tmp_path / "no.bin")
    assert said == f"flash: {tmp_path / 'no.bin'} cannot be read: No such file or directory.\n"


# -- refused: the port


@pytest.fixture
def image(tmp_path):
    """An image for the ESP32, as the option that chooses it."""
    return ["--image", image_file(tmp_path, "ESP32", app_bytes=1000)[0]]


def test_port_that_does_not_exist_fails_with_one_line(image, failure):
    assert failure("--port", "/dev/ttyUSB77", *image) == (
        "flash: There is no /dev/ttyUSB77: is the board plugged in? `python3 -m tools devices` lists the ports.\n"
    )


def test_port_in_use_fails_with_one_line(image, failure):
    with PtyLine(Rom("ESP32")) as line, serial.Serial(line.name, exclusive=True):
        assert failure("--port", line.name, *image).startswith(f"flash: {line.name} is in use: ")


@contextlib.contextmanager
def as_nobody():
    """Give up root's rights for a while: root may do anything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_port_without_permission_fails_with_one_line():
    with PtyLine(Rom("ESP32")) as line:
        os.chmod(line.name, 0)
        with as_nobody(), pytest.raises(Failure) as raised, chip.connect(line.name):
            pass
    assert str(raised.value).startswith(f"No permission for {line.name}: add yourself to the group")


def test_address_where_nobody_listens_fails_with_one_line(image, failure):
    with TcpLine(Rom("ESP32")) as line:
        pass
    said = failure("--port", line.name, *image)
    assert said == f"flash: Nobody listens at {line.name}: start the serial server there.\n"


def test_name_that_is_no_port_fails_with_one_line(image, failure):
    assert failure("--port", "gopher://x", *image).startswith("flash: gopher://x is no port's name: ")


def test_board_that_does_not_answer_fails_with_one_line(image, failure):
    """Its program runs, and no reset line gets it into the bootloader."""
    rom = Rom("ESP32")
    rom.reset(boot_held=False)
    with PtyLine(rom) as line:
        said = failure("--port", line.name, *image)
    assert said.startswith(f"flash: No ESP32 answers on {line.name}: hold its BOOT button, ")
    assert rom.flash == b"\xff" * FLASH_BYTES


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (OSError(errno.EACCES, "Permission denied"), "No permission for P"),
        (OSError(errno.EBUSY, "Device or resource busy"), "P is in use"),
        (serial.SerialException(errno.ENXIO, "could not open port"), "There is no P"),
        (serial.SerialException("could not open port 'P': FileNotFoundError(2, 'x', None, 2)"), "There is no P"),
        (serial.SerialException("Could not exclusively lock port P: [Errno 11] x"), "P is in use"),
        (serial.SerialException("something new"), "P cannot be used: something new"),
    ],
)
def test_reason_is_told_from_each_systems_own_error(error, start):
    assert ports.reason(error, "P").startswith(start)


def test_windows_says_access_denied_for_a_port_in_use(monkeypatch):
    monkeypatch.setattr(ports.sys, "platform", "win32")
    error = serial.SerialException("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)")
    assert ports.reason(error, "COM3").startswith("COM3 is in use")


# -- what goes wrong later


class Worn(Rom):
    """A chip whose flash has a bit that stays 0."""

    def _spi_flash_md5(self, code, data):
        self.flash[self.boots_from + 5000] &= 0xFE
        super()._spi_flash_md5(code, data)


class Silent(Rom):
    """A chip that never starts what was written."""

    def reset(self, boot_held):
        super().reset(boot_held=True)


class Interrupted(Rom):
    """A chip whose user presses Ctrl-C while it is written."""

    def _flash_data(self, code, data):
        if self._write["next"] == 2:
            signal.raise_signal(signal.SIGINT)
        super()._flash_data(code, data)

    _flash_defl_data = _flash_data


class Unplugged(Rom):
    """A chip that falls silent in the middle of the image."""

    def _flash_data(self, code, data):
        if self._write["next"] < 2:
            super()._flash_data(code, data)

    _flash_defl_data = _flash_data


def test_flash_that_reads_back_differently_is_a_failure(tmp_path):
    path, _ = image_file(tmp_path, "ESP32-C3")
    with PtyLine(Worn("ESP32-C3")) as line, pytest.raises(Failure, match="MD5 of file does not match data in flash"):
        flash.flash(line.name, str(path))


def test_prompt_that_never_comes_says_that_the_image_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(flash, "BOOT_TIMEOUT_S", 1)
    path, content = image_file(tmp_path, "ESP32-C3")
    with PtyLine(Silent("ESP32-C3")) as line, pytest.raises(Failure, match="^The image is written and verified, but"):
        flash.flash(line.name, str(path))
    assert_flash(line.rom, content)


def test_ctrl_c_while_written_says_that_it_is_half_written(tmp_path):
    path, _ = image_file(tmp_path, "ESP32-C3", app_bytes=400_000)
    with PtyLine(Interrupted("ESP32-C3")) as line, pytest.raises(Failure, match="^Interrupted: the flash is half wri"):
        try:
            flash.flash(line.name, str(path))
        finally:
            line.wait_for_start()


def test_board_that_falls_silent_while_written_is_one_line(tmp_path):
    path, _ = image_file(tmp_path, "ESP32-C3", app_bytes=400_000)
    with PtyLine(Unplugged("ESP32-C3")) as line, pytest.raises(Failure) as raised:
        flash.flash(line.name, str(path))
    assert str(raised.value) == f"{line.name}: the board has stopped answering. Plug it in again, and try again."


# -- the pinned images


def test_table_pins_one_version_for_every_supported_chip():
    table = images.table()
    assert [row["chip"] for row in table["images"]] == list(listing.CHIPS)
    assert table["folder"] == listing.FOLDER
    for row in table["images"]:
        assert row["board"] == row["chip"].replace("ESP32", "ESP32_GENERIC").replace("-", "_")
        assert row["file"].startswith(row["board"] + "-20") and row["file"].endswith(f"-v{table['version']}.bin")
        assert (row["sha256"] is None) == (row["bytes"] is None)
        assert row["sha256"] is None or len(bytes.fromhex(row["sha256"])) == 32


@contextlib.contextmanager
def site(content):
    """Serve `content` at any path, None as 404; give (the folder's address, the paths asked for)."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/firmware/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def pinned(images_apart):
    """A function that pins an image at an address; the cache is empty."""

    def pin(folder, content, sha256=True):
        digest = hashlib.sha256(content).hexdigest() if sha256 else None
        row = {"chip": "ESP32-C3", "board": "B", "file": "B.bin", "bytes": len(content), "sha256": digest}
        images.TABLE.write_text(json.dumps({"version": "1.29.0", "folder": folder, "images": [row]}))

    return pin


def test_pinned_image_is_downloaded_once_and_flashed(pinned):
    content = make_image("ESP32-C3")
    with site(content) as (address, asked):
        pinned(address, content)
        for _ in range(2):
            with PtyLine(Rom("ESP32-C3")) as line:
                flash.flash(line.name)
            assert_flash(line.rom, content)
    assert asked == ["/firmware/B.bin"]
    assert [path.name for path in images.CACHE.iterdir()] == ["B.bin"]


@pytest.mark.parametrize("sent", [b"something else", b"", b"\0" * 200_000], ids=["other", "nothing", "more"])
def test_download_that_is_not_what_is_on_record_is_not_kept(pinned, sent):
    with site(sent) as (address, _):
        pinned(address, b"\1" * 100_000)
        with pytest.raises(Failure, match="sent something else than what is on record"):
            images.get("ESP32-C3")
    assert not list(images.CACHE.iterdir())


def test_changed_file_in_the_cache_is_refused(pinned):
    pinned("http://127.0.0.1:1/", b"content")
    images.CACHE.mkdir()
    (images.CACHE / "B.bin").write_bytes(b"changed")
    with pytest.raises(Failure, match="delete it to fetch it anew"):
        images.get("ESP32-C3")


def test_without_a_network_the_line_says_where_to_put_the_file(pinned):
    pinned("http://127.0.0.1:1/", b"content")
    with pytest.raises(Failure) as raised:
        images.get("ESP32-C3")
    assert "fetch http://127.0.0.1:1/B.bin" in str(raised.value)
    assert str(raised.value).endswith(f"put it at {images.CACHE / 'B.bin'}.")


def test_missing_page_is_told(pinned):
    with site(None) as (address, _):
        pinned(address, b"content")
        with pytest.raises(Failure, match="answers 404 Not Found: give an image with --image FILE"):
            images.get("ESP32-C3")


def test_image_without_a_sum_on_record_is_not_downloaded(pinned):
    with site(b"content") as (address, asked):
        pinned(address, b"content", sha256=False)
        with pytest.raises(Failure, match="No SHA-256 is on record for B.bin"):
            images.get("ESP32-C3")
    assert not asked


def test_chip_without_an_image_is_told(pinned):
    pinned("http://127.0.0.1:1/", b"content")
    with pytest.raises(Failure, match="No MicroPython image is known for the ESP32-P4"):
        images.get("ESP32-P4")


# -- images of ours


def put_image(folder, content, chip="ESP32-C3"):
    """Put an image of ours with its row into a folder, as `tools image` does; return the row."""
    board = f"LIMPET_{chip.replace('-', '_')}"
    row = {"chip": chip, "board": board, "file": f"{board}.bin", "bytes": len(content)}
    row.update(sha256=hashlib.sha256(content).hexdigest(), micropython="1.29.0", limpet="0.1.0", tree="0" * 64)
    folder.mkdir(exist_ok=True)
    (folder / row["file"]).write_bytes(content)
    (folder / f"{board}.json").write_text(json.dumps(row))
    return row


def test_image_that_was_built_here_is_flashed_before_any_other(pinned, capsys):
    content = make_image("ESP32-C3", version="1.29.0", app_bytes=2000)
    pinned("http://127.0.0.1:1/", b"MicroPython's own")
    put_image(images.OURS, content)
    put_image(images.RELEASED, make_image("ESP32-C3", app_bytes=4000))
    with PtyLine(Rom("ESP32-C3")) as line:
        done = flash.flash(line.name)
        assert_flash(line.rom, content)
    assert done["image"] == str(images.OURS / "LIMPET_ESP32_C3.bin")
    assert "MicroPython's own" not in capsys.readouterr().err


def test_image_of_another_chip_is_not_taken_and_the_stock_ones_limits_are_said(pinned, capsys):
    content = make_image("ESP32-C3")
    with site(content) as (address, asked):
        pinned(address, content)
        put_image(images.OURS, make_image("ESP32"), "ESP32")
        with PtyLine(Rom("ESP32-C3")) as line:
            assert flash.flash(line.name)["image"] == str(images.CACHE / "B.bin")
    assert asked == ["/firmware/B.bin"]
    said = [line for line in capsys.readouterr().err.splitlines() if "MicroPython's own" in line]
    # Of the chips in the table, those that have a board.
    assert said == [flash.STOCK.format(chip="ESP32-C3", ours=", ".join(builder.chips()))]
    assert "one part after the other" in said[0] and "tools image`, for ESP32-C3)" in said[0]


def test_damaged_image_of_ours_is_refused(pinned):
    pinned("http://127.0.0.1:1/", b"content")
    put_image(images.OURS, make_image("ESP32-C3"))
    (images.OURS / "LIMPET_ESP32_C3.bin").write_bytes(b"half of it")
    with pytest.raises(Failure, match="is not what its row says: build it anew"):
        images.ours("ESP32-C3")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"chip": "ESP32-C3", "sha256": "12", "bytes": 3}'])
def test_row_that_is_none_is_no_image(pinned, text):
    pinned("http://127.0.0.1:1/", b"content")
    images.OURS.mkdir()
    (images.OURS / "LIMPET_ESP32_C3.json").write_text(text)
    assert images.ours("ESP32-C3") is None


class Release:
    """A release with files, served; `asked` has the paths that were asked for."""

    def __init__(self, monkeypatch):
        self.files, self.asked = {}, []
        release = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                release.asked.append(self.path)
                content = release.files.get(self.path[1:])
                self.send_response(404 if content is None else 200)
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setattr(images, "RELEASE", f"http://127.0.0.1:{self.server.server_port}/")

    def put(self, content, folder):
        put_image(folder, content)
        self.files = {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def release(monkeypatch):
    running = Release(monkeypatch)
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_released_image_is_downloaded_once_and_again_when_there_is_a_newer_one(pinned, release, tmp_path):
    pinned("http://127.0.0.1:1/", b"content")
    content = make_image("ESP32-C3")
    release.put(content, tmp_path / "one")
    for _ in range(2):
        assert images.ours("ESP32-C3").read_bytes() == content
    names = ["/LIMPET_ESP32_C3.json", "/LIMPET_ESP32_C3.bin"]
    assert release.asked == [*names, names[0]]
    newer = make_image("ESP32-C3", version="1.30.0")
    release.put(newer, tmp_path / "two")
    assert images.ours("ESP32-C3").read_bytes() == newer


def test_released_image_is_there_without_a_network_once_it_was_fetched(pinned, release, tmp_path, monkeypatch, capsys):
    pinned("http://127.0.0.1:1/", b"content")
    content = make_image("ESP32-C3")
    release.put(content, tmp_path / "one")
    images.ours("ESP32-C3")
    monkeypatch.setattr(images, "RELEASE", "http://127.0.0.1:1/")
    assert images.ours("ESP32-C3").read_bytes() == content
    assert "No look at http://127.0.0.1:1/LIMPET_ESP32_C3.json" in capsys.readouterr().err


def test_release_that_sends_something_else_than_its_row_says_is_not_kept(pinned, release, tmp_path):
    pinned("http://127.0.0.1:1/", b"content")
    release.put(make_image("ESP32-C3"), tmp_path / "one")
    release.files["LIMPET_ESP32_C3.bin"] = b"something else"
    with pytest.raises(Failure, match="sent something else than what is on record"):
        images.ours("ESP32-C3")
    assert [file.name for file in images.RELEASED.iterdir()] == ["LIMPET_ESP32_C3.json"]


def test_without_a_release_and_without_a_build_there_is_none(pinned, release):
    pinned("http://127.0.0.1:1/", b"content")
    assert images.ours("ESP32-C3") is None
    assert release.asked == ["/LIMPET_ESP32_C3.json"]
