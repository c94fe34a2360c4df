"""The one file that talks to esptool (version 5): the chip behind a port, and images for it.

Others call these two:

    with connect("/dev/ttyUSB0") as chip:        # chip.name "ESP32-S3", chip.mac, chip.flash_bytes, chip.revision
        chip.write(chip.offset, image, erase=False, on_progress=print)     # verified
    read_image(data) -> {"chip", "version"}                   # raises Failure for anything but a sound image
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
import sys
from collections.abc import Callable, Iterator

from tools import partitions, ports
from tools.console import Failure

if sys.version_info < (3, 10):
    raise Failure("esptool needs Python 3.10 or newer: run this command with one. The server itself runs on 3.9.")

from esp_pylib.logger import EspLog, EspLogBase
from esptool import cmds
from esptool.bin_image import LoadFirmwareImage
from esptool.loader import DEFAULT_TIMEOUT, ESPLoader
from esptool.reset import ResetStrategy
from esptool.targets import ROM_LIST
from esptool.util import FatalError
from serial import SerialException

# Four times the ROM's 115200; the fastest that all bridges, cables and chips take (MicroPython's pages use it, too).
FAST_BAUD = 460800

# Three resets of each kind; a chip that is there answers the first.
CONNECT_ATTEMPTS = 3

# What esptool says of a chip that has answered before.
SILENT = ("No more data", "No serial data", "Serial data stream stopped", "transfer stopped")

# esp_app_desc_t, at the start of an app's first segment: magic, two words, 8 bytes, version (32), project (32).
APP_MAGIC = 0xABCD5432
APP_HEAD = "<I12x32s32s"


class _Quiet(EspLogBase):
    """Keeps what esptool would print to itself, and passes its progress on."""

    def __init__(self):
        self.on_progress = None

    def print(self, *args, **kwargs) -> None:
        """Print nothing; and so do these."""

    err = warn = note = hint = debug = stage = set_verbosity = print

    def progress_bar(self, cur_iter, total_iters, prefix="", suffix="", bar_length=30) -> None:
        """Tell how far the bytes on the wire are."""
        if self.on_progress:
            self.on_progress(cur_iter, total_iters)


_log = _Quiet()
EspLog.set_logger(_log)
# This one took hold of esptool's own logger when it was imported: a port without reset lines is nothing to warn of.
ResetStrategy.print_once = _log.warn


class Chip:
    """An ESP32 in its bootloader, esptool's helper running in its RAM. `revision` is as in "v3.1"."""

    def __init__(self, loader: ESPLoader, port: str):
        self._loader = loader
        self.port = port
        self.name = loader.CHIP_NAME
        self.offset = loader.BOOTLOADER_FLASH_OFFSET
        self.mac = ":".join(f"{byte:02x}" for byte in loader.read_mac())
        self.revision = f"v{loader.get_major_chip_version()}.{loader.get_minor_chip_version()}"
        size = cmds.detect_flash_size(loader)
        self.flash_bytes = cmds.flash_size_bytes(size) if size else None

    def is_empty(self, at: int, size: int) -> bool:
        """Tell whether nothing is written in a piece of the flash. Raises Failure."""
        return self.has(at, b"\xff" * size)

    def has(self, at: int, data: bytes) -> bool:
        """Tell whether this is in the flash at a place. Raises Failure."""
        with _explained(self.port):
            return self._loader.flash_md5sum(at, len(data)) == hashlib.md5(data).hexdigest()

    def write(self, at: int, data: bytes, erase: bool, on_progress: Callable[[int, int], None] | None = None) -> None:
        """Write to a place in flash and compare its MD5 with the flash's; `erase` all of the flash before.

        `on_progress` is called with the bytes sent and those to send, which are compressed. Raises Failure.
        """
        _log.on_progress = on_progress
        try:
            with _explained(self.port):
                # As it is, byte for byte: else esptool would put its own idea of the flash into the header.
                cmds.write_flash(self._loader, [(at, data)], erase_all=erase, compress=True)
        except KeyboardInterrupt:
            raise Failure("Interrupted: the flash is half written, so write it again before anything else.") from None
        finally:
            _log.on_progress = None


@contextlib.contextmanager
def connect(port: str) -> Iterator[Chip]:
    """Reset the chip behind `port` into its bootloader; in the end let it start from its flash. Raises Failure."""
    with _explained(port):
        loader = cmds.detect_chip(port, connect_attempts=CONNECT_ATTEMPTS)
    try:
        with _explained(port):
            if loader.CHIP_NAME == "ESP8266":
                raise Failure(f"{port} is an ESP8266: Limpet needs an ESP32.")
            # Else each command sets this and puts the old one back, which over rfc2217:// are eight round trips.
            loader._port.timeout = DEFAULT_TIMEOUT
            loader = cmds.run_stub(loader)
            if not port.startswith("socket:"):  # whose other end has the rate it has
                loader.change_baud(FAST_BAUD)
            cmds.attach_flash(loader)
            chip = Chip(loader, port)
        yield chip
    finally:
        with contextlib.suppress(FatalError, OSError):
            cmds.reset_chip(loader, "hard-reset")
        loader._port.close()


@contextlib.contextmanager
def _explained(port: str) -> Iterator[None]:
    """Turn esptool's errors into one line."""
    try:
        yield
    except FatalError as error:
        if isinstance(error.__context__, SerialException):
            raise Failure(ports.reason(error.__context__, port)) from error
        first = str(error).strip().splitlines()[0].rstrip(".")
        if "Failed to connect" in first:
            raise Failure(
                f"No ESP32 answers on {port}: hold its BOOT button, press and let go of RESET (or EN), let go of BOOT,"
                " and try again. If it stays so, try another cable: many only charge."
            ) from error
        if any(words in first for words in SILENT):
            raise Failure(f"{port}: the board has stopped answering. Plug it in again, and try again.") from error
        raise Failure(f"{port}: {first}.") from error
    except ValueError as error:  # pyserial's, for a name
        raise Failure(ports.reason(error, port)) from error
    except OSError as error:  # pyserial's are among them
        raise Failure(f"{port}: the connection is lost ({error}). Plug the board in again, and try again.") from error


def chip_named(chip_id: int) -> str | None:
    """Return the name of the chip that has this id in image headers, None when there is none."""
    return next((rom.CHIP_NAME for rom in ROM_LIST if chip_id == rom.IMAGE_CHIP_ID), None)


def boots_from(name: str) -> int:
    """Return where in flash the chip of this name looks for an image."""
    return next(rom.BOOTLOADER_FLASH_OFFSET for rom in ROM_LIST if name == rom.CHIP_NAME)


def read_image(data: bytes) -> dict[str, str]:
    """Return what a whole image (bootloader, partition table, app) is: {"chip", "version", "project"}.

    Raises Failure unless all parts are there, are for one chip, and have the sums and digests that they carry.
    """
    boot = _part(data, 0, "bootloader")
    name = chip_named(boot.chip_id)
    if name is None:
        raise Failure(f"Not an image for an ESP32: unknown chip id {boot.chip_id} in its header.")
    app = _part(data, _app_at(data, name), "app")
    if app.chip_id != boot.chip_id:
        raise Failure(f"The image is damaged: its bootloader is for {name}, its app for another chip.")
    return {"chip": name, **_describe(app)}


def read_app(data: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the app of a whole image, or of a file that has the app alone, and what it is: see `read_image`.

    It ends with its SHA-256. Raises Failure.
    """
    first = _part(data, 0, "bootloader")
    if _magic(first) == APP_MAGIC:
        at, found = 0, {"chip": chip_named(first.chip_id), **_describe(first)}
    else:
        found = read_image(data)
        at = _app_at(data, found["chip"])
    app = _part(data, at, "app")
    if not app.append_digest:
        raise Failure("The image has no SHA-256 of its app: a board could not tell whether it is whole.")
    return data[at : at + app.data_length + hashlib.sha256().digest_size], found


def _app_at(data: bytes, chip: str) -> int:
    """Return where the app is in a whole image for a chip."""
    offset = boots_from(chip)
    return partitions.app(partitions.read(data, partitions.ADDRESS - offset)).at - offset


def _magic(app) -> int:
    return int.from_bytes(app.segments[0].data[:4], "little") if app.segments else 0


def _describe(app) -> dict[str, str]:
    head = app.segments[0].data[: struct.calcsize(APP_HEAD)]
    magic, version, project = struct.unpack(APP_HEAD, head.ljust(struct.calcsize(APP_HEAD), b"\0"))
    if magic != APP_MAGIC:
        raise Failure("The image is damaged: its app does not say what it is.")
    version, project = (text.split(b"\0")[0].decode("ascii", "replace") for text in (version, project))
    return {"version": version.lstrip("v"), "project": project}


def _part(data: bytes, at: int, what: str):
    """Load the bootloader or the app at `at`, both of the same form, and check its sums."""
    try:
        if not 0 <= at < len(data):
            raise ValueError("it ends before")
        # The class's chip matters for nothing that is read here.
        part = LoadFirmwareImage("esp32", data[at:])
        if part.checksum != part.calculate_checksum():
            raise ValueError("its checksum is wrong")
        # A bootloader starts all the same: its head tells the flash's mode, and may be changed later.
        if what == "app" and part.append_digest and part.stored_digest != part.calc_digest:
            raise ValueError("its SHA-256 is wrong")
    except (FatalError, ValueError, TypeError, IndexError, RuntimeError, struct.error) as error:
        if what == "bootloader" and data[:1] != bytes([ESPLoader.ESP_IMAGE_MAGIC]):
            raise Failure("Not an image for an ESP32: take the .bin of MicroPython's download page.") from error
        detail = str(error).strip().splitlines()[0].rstrip(".")
        raise Failure(f"The image is damaged: its {what} cannot be read ({detail}).") from error
    return part
