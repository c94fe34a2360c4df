"""An ESP32 on a serial line: its ROM's bootloader, the flash behind it, and MicroPython's prompt once it has started.

The real esptool syncs with it, identifies it, runs its helper in its RAM (which is then emulated), erases, writes and
verifies. Everything that a real chip would refuse is refused: commands out of order, wrong checksums, writing where
nothing was erased (NOR flash only clears bits), bytes at another rate than the chip listens at.

    rom = Rom("ESP32-S3")       rom.receive(bytes), rom.send = function      rom.reset(boot_held)      rom.flash
    serial_lines.py puts it behind a port.

The protocol is Espressif's "Serial Protocol" page of esptool's documentation; registers are those esptool reads.
"""

from __future__ import annotations

import hashlib
import struct
import zlib

from host_tests.esp_image import BOOTS_FROM, IMAGE_ID, app_version, checksum

MAC = bytes.fromhex("24a16057ab1c")
SECTOR = 4096
FLASH_BYTES = 4 * 1024 * 1024
# A GigaDevice of 4 MB, as the command 0x9F reads it: maker, type, size.
FLASH_ID = b"\xc8\x40\x16"

ROM_BAUD = 115200

SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
INVALID = b"\x01\x05"
BAD_CHECKSUM = b"\x01\x07"
FAILED = b"\x01\x06"
DONE = b"\x00\x00"


class Kind:
    """What tells the chips apart for esptool: how they say which they are, and where their registers are."""

    def __init__(self, magic: int, spi: tuple[int, int, int, int], registers: dict):
        self.magic = magic
        # SPI controller: base, then what is added for USER2, ADDR and W0.
        self.spi_command, self.spi_user2, self.spi_address, self.spi_data = (spi[0], *(spi[0] + at for at in spi[1:]))
        self.registers = registers


def _mac_at(address: int) -> dict[int, int]:
    return {address: int.from_bytes(MAC[2:], "big"), address + 4: int.from_bytes(MAC[:2], "big")}


# One bit in each of three places makes an ESP32's major revision.
_REVISION_3 = {0x3FF5A00C: 1 << 15, 0x3FF5A014: 1 << 20, 0x3FF6607C: 1 << 31}

KINDS = {
    # The ESP32 does not know GET_SECURITY_INFO and is told by a magic register; the others say their id.
    "ESP32": Kind(0x00F01D83, (0x3FF42000, 0x24, 0x04, 0x80), {**_mac_at(0x3FF5A004), **_REVISION_3}),
    "ESP32-S2": Kind(0x000007C6, (0x3F402000, 0x20, 0x04, 0x58), _mac_at(0x3F41A044)),
    "ESP32-S3": Kind(0, (0x60002000, 0x20, 0x04, 0x58), _mac_at(0x60007044)),
    # Revision 1, the first that esptool's helper runs on: bits 20 and 21 of the word behind the MAC.
    "ESP32-C2": Kind(0, (0x60002000, 0x20, 0x04, 0x58), {**_mac_at(0x60008840), 0x60008844: 1 << 20 | 0x24A1}),
    "ESP32-C3": Kind(0, (0x60002000, 0x20, 0x04, 0x58), {**_mac_at(0x60008844), 0x60008850: 4 << 18}),
    "ESP32-C5": Kind(0, (0x60003000, 0x20, 0x04, 0x58), _mac_at(0x600B4844)),
    "ESP32-C6": Kind(0, (0x60003000, 0x20, 0x04, 0x58), _mac_at(0x600B0844)),
}


class Rom:
    """The chip: `receive(bytes)` is its RX pin, and what it answers goes to `send`. `flash` is its flash.

    `started` counts resets into what is in flash, `log` are the names of the commands that came, `baud` the rate.
    """

    def __init__(self, name: str):
        self.name = name
        self.kind = KINDS[name]
        self.boots_from = BOOTS_FROM[name]
        self.flash = bytearray(b"\xff" * FLASH_BYTES)
        self.send = lambda data: None
        self.started = 0
        self.log = []
        self.ram = {}
        self.reset(boot_held=True)

    def reset(self, boot_held: bool) -> None:
        """Start anew: the bootloader, or what is in flash."""
        self.baud = ROM_BAUD
        self.helper = False
        self.attached = False
        self.registers = {0x40001000: self.kind.magic, **self.kind.registers}
        self._frame = None
        self._write = None
        self.bootloader = boot_held
        if boot_held:
            self.send(b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT)\r\nwaiting for download\r\n")
            return
        self.started += 1
        version = app_version(self.flash, self.boots_from)
        if version is None:
            self.send(b"invalid header: 0xffffffff\r\n")
            return
        chip = self.name.replace("-", "")
        self.banner = (
            f"MicroPython v{version} on 2026-08-24; Generic {chip} module with {chip}\r\n"
            'Type "help()" for more information.\r\n>>> '
        ).encode()
        self.send(b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n" + self.banner)

    # -- the line

    def receive(self, data: bytes) -> None:
        """Take what comes in: frames in the bootloader, keys at the prompt."""
        if not self.bootloader:
            if app_version(self.flash, self.boots_from):
                self.send(self.banner if b"\x02" in data else b"\r\n>>> ")
            return
        for byte in data:
            if byte == 0xC0:
                frame, self._frame = self._frame, bytearray()
                if frame:
                    self._frame = None
                    self._command(bytes(frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")))
            elif self._frame is not None:
                self._frame.append(byte)

    def _frame_out(self, data: bytes) -> None:
        self.send(b"\xc0" + data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0")

    def _answer(self, code: int, value: int = 0, data: bytes = b"", status: bytes = DONE) -> None:
        # A real ROM's status has two more bytes than the helper's.
        data += status + (b"" if self.helper else b"\0\0")
        self._frame_out(struct.pack("<BBHI", 1, code, len(data), value) + data)

    def _command(self, frame: bytes) -> None:
        if len(frame) < 8:
            return
        direction, code, length, claimed = struct.unpack_from("<BBHI", frame)
        data = frame[8:]
        name = COMMANDS.get(code)
        if direction or length != len(data) or name is None or (name in HELPER_ONLY and not self.helper):
            self._answer(code, status=INVALID)
            return
        self.log.append(name)
        if name.endswith("_data") and checksum(data[16:]) != claimed:
            self._answer(code, status=BAD_CHECKSUM)
            return
        getattr(self, "_" + name)(code, data)

    # -- who it is

    def _sync(self, code, data):
        assert data == SYNC
        for _ in range(8):
            self._answer(code, value=0 if self.helper else 0x20120707)

    def _read_reg(self, code, data):
        self._answer(code, value=self.registers.get(*struct.unpack("<I", data), 0))

    def _write_reg(self, code, data):
        address, value, mask, _ = struct.unpack_from("<IIII", data)
        self.registers[address] = self.registers.get(address, 0) & ~mask | value & mask
        if address == self.kind.spi_command:
            self.registers[address] = 0  # done at once
            self.registers[self.kind.spi_data] = self._spi_flash(self.registers[self.kind.spi_user2] & 0xFF)
        self._answer(code)

    def _spi_flash(self, command: int) -> int:
        """Do what the flash chip does for a command of its own; return what it says."""
        if command == 0x9F:
            return int.from_bytes(FLASH_ID, "little")
        if command == 0x5A and not self.registers.get(self.kind.spi_address):
            return int.from_bytes(b"SFDP", "little")
        return 0

    def _get_security_info(self, code, data):
        if self.kind.magic:
            self._answer(code, status=INVALID)
            return
        self._answer(code, data=struct.pack("<IB7xII", 0, 0, IMAGE_ID[self.name], 0))

    def _change_baudrate(self, code, data):
        self._answer(code)
        self.baud, _ = struct.unpack("<II", data)

    # -- its RAM, for the helper

    def _mem_begin(self, code, data):
        size, blocks, block_bytes, address = struct.unpack("<IIII", data)
        self._memory = [address, size]
        self.ram[address] = b""
        self._answer(code)

    def _mem_data(self, code, data):
        address, size = self._memory
        self.ram[address] += data[16:]
        self._answer(code, status=DONE if len(self.ram[address]) <= size else FAILED)

    def _mem_end(self, code, data):
        stay, _ = struct.unpack("<II", data)
        self._answer(code)
        if not stay:
            self.helper = self.attached = True
            self._frame_out(b"OHAI")

    # -- its flash

    def _spi_attach(self, code, data):
        self.attached = True
        self._answer(code)

    def _spi_set_params(self, code, data):
        _, size, block, sector, _, _ = struct.unpack("<IIIIII", data)
        self._answer(code, status=DONE if (size, sector) == (FLASH_BYTES, SECTOR) else FAILED)

    def _erase(self, start: int, size: int) -> None:
        first, last = start // SECTOR * SECTOR, -(-(start + size) // SECTOR) * SECTOR
        self.flash[first:last] = b"\xff" * (last - first)

    def _erase_flash(self, code, data):
        self._erase(0, FLASH_BYTES)
        self._answer(code)

    def _erase_region(self, code, data):
        self._erase(*struct.unpack("<II", data))
        self._answer(code)

    def _flash_begin(self, code, data, inflate=None):
        size, blocks, block_bytes, address = struct.unpack_from("<IIII", data)
        sound = self.attached and address + size <= FLASH_BYTES and (size == 0) == (blocks == 0)
        if sound:
            self._erase(address, size)
            self._write = {"at": address, "end": address + size, "next": 0, "inflate": inflate}
        self._answer(code, status=DONE if sound else FAILED)

    def _flash_defl_begin(self, code, data):
        self._flash_begin(code, data, zlib.decompressobj())

    def _flash_data(self, code, data):
        length, sequence = struct.unpack_from("<II", data)
        block, job = data[16:], self._write
        if job is None or len(block) != length or sequence != job["next"]:
            self._answer(code, status=FAILED)
            return
        if job["inflate"]:
            block = job["inflate"].decompress(block)
        if not self.helper or job["inflate"] is None:
            block = block[: job["end"] - job["at"]]  # padded to whole blocks
        at, end = job["at"], job["at"] + len(block)
        if end > job["end"]:
            self._answer(code, status=FAILED)
            return
        old = int.from_bytes(self.flash[at:end], "little")
        self.flash[at:end] = (old & int.from_bytes(block, "little")).to_bytes(len(block), "little")
        job["at"], job["next"] = end, sequence + 1
        self._answer(code)

    _flash_defl_data = _flash_data

    def _flash_end(self, code, data):
        (stay,) = struct.unpack("<I", data)
        self._answer(code)
        if not stay:
            self.reset(boot_held=False)

    _flash_defl_end = _flash_end

    def _spi_flash_md5(self, code, data):
        address, size = struct.unpack_from("<II", data)
        digest = hashlib.md5(self.flash[address : address + size])
        self._answer(code, data=digest.digest() if self.helper else digest.hexdigest().encode())


COMMANDS = {
    0x02: "flash_begin",
    0x03: "flash_data",
    0x04: "flash_end",
    0x05: "mem_begin",
    0x06: "mem_end",
    0x07: "mem_data",
    0x08: "sync",
    0x09: "write_reg",
    0x0A: "read_reg",
    0x0B: "spi_set_params",
    0x0D: "spi_attach",
    0x0F: "change_baudrate",
    0x10: "flash_defl_begin",
    0x11: "flash_defl_data",
    0x12: "flash_defl_end",
    0x13: "spi_flash_md5",
    0x14: "get_security_info",
    0xD0: "erase_flash",
    0xD1: "erase_region",
}
HELPER_ONLY = ("erase_flash", "erase_region")
