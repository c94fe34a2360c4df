"""MicroPython itself over the air (firmware/board/image.py): whatever happens, a whole image runs, and the old one or a
new one that was kept. The boot loader and the flash are `fakes/slots.py`.
"""

from __future__ import annotations

import ast
import shutil
import subprocess

import pytest

from host_tests.fakes import slots
from tools import ROOT

OLD, NEW = (slots.make(words) for words in ("old", "new"))

# A life: the boot loader, boot.py's change, the count of boots; then what is to be done. Each write to the flash and
# each change to the file system counts, and at the last one the power goes.
LIFE = """
import sys
sys.path[:0] = [{fakes!r}, {root!r}]
import builtins
import os
import types_
import esp32
import machine
import slots

FLASH = {flash!r}
machine.cause = {cause}
left = {cut}


def count():
    global left
    if not left:
        os.system("kill -9 $PPID")
        while True:
            pass
    left -= 1


class Files:
    def __getattr__(self, name):
        if name in ("mkdir", "remove", "rename", "replace"):
            count()
        return getattr(os, name)


def open_counted(path, mode="r", *rest, real=open):
    if "w" in mode:
        count()
    file = real(path, mode, *rest)
    if "w" in mode:
        count()
    return file


files = sys.modules["os"] = Files()
slots.cut = count
if machine.cause != machine.SOFT_RESET:
    print("runs", slots.boot() if {has_slots} else "all")


def reset():
    print("reset")
    sys.exit(0)


machine.reset = reset

with open({root!r} + "/boot.py") as file:
    boot = file.read().replace("/.limpet/", FLASH + "/.limpet/")
names = {{"_is_new": False}}
exec(boot[: boot.index("_is_deaf = _is_new")], names)
builtins.open = open_counted
names["switch"]()

import asyncio

from firmware.board import image, recovery, storage
from firmware.http.errors import HTTPError

storage.use(FLASH + "/data")
recovery.root = FLASH
recovery.begin()
print("trial", recovery.is_on_trial(), recovery.is_on_trial("~image"))


class Body:
    def __init__(self, data, piece):
        self.data, self.piece = memoryview(data), piece

    def __aiter__(self):
        return self

    async def __anext__(self):
        data, self.data = self.data[: self.piece], self.data[self.piece :]
        if not len(data):
            raise StopAsyncIteration
        return data


def sum_of(data):
    from binascii import hexlify
    from hashlib import sha256

    return hexlify(sha256(data).digest()).decode()


async def update(data, piece=3000):
    await image.write(Body(data, piece), len(data))
    await image.prepare(sum_of(data), len(data))
    image.commit()


def said(coroutine):
    try:
        asyncio.run(coroutine)
    except HTTPError as error:
        return error.status, error.detail


{do}
print("left", left)
"""

UPDATE = f"asyncio.run(update({NEW!r}))"
CONFIRM = "recovery.confirm()"
POWER_ON, SOFT_RESET = 1, 5
FOREVER = 1 << 20


class Chip:
    """A chip whose flash is a folder; `live` is one life of it."""

    def __init__(self, interpreter, folder, has_slots=True):
        self.interpreter = interpreter
        self.folder = folder
        self.has_slots = has_slots
        (folder / "data").mkdir(parents=True)
        # What only MicroPython has.
        (folder / "types_.py").write_text(
            "import sys\n"
            "if sys.implementation.name == 'cpython':\n"
            "    import types\n"
            "    sys.modules['micropython'] = types.SimpleNamespace(kbd_intr=lambda key: None)\n"
        )
        if has_slots:
            slots.divide(folder, OLD)

    def live(self, do="", cut=FOREVER, cause=POWER_ON):
        """Return {word: rest of the line} of what it has said; without "left" where the power has gone."""
        places = {"fakes": str(ROOT / "host_tests" / "fakes"), "root": str(ROOT), "flash": str(self.folder)}
        code = LIFE.format(**places, do=do, cut=cut, cause=cause, has_slots=self.has_slots)
        environment = {**self.interpreter.environment(), "FAKE_BOARD": str(self.folder)}
        environment |= {"MICROPYPATH": f"{self.folder}:{ROOT}:.frozen", "PYTHONPATH": f"{self.folder}:{ROOT}"}
        file = self.folder / "life.py"
        file.write_text(code)
        done = subprocess.run(
            self.interpreter.argv(str(file)), cwd=self.folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode in (0, -9) and not done.stderr, done.stdout + done.stderr
        lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
        return {line[0]: line[-1] for line in lines}

    @property
    def runs(self):
        """What the slot has in it that the boot loader has started last."""
        data = (self.folder / (self.folder / "running").read_text()).read_bytes()
        assert slots.is_whole(data)
        return "new" if data.startswith(NEW) else "old" if data.startswith(OLD) else None

    @property
    def staged(self):
        home = self.folder / ".limpet"
        return {path.name for path in home.iterdir()} if home.exists() else set()


@pytest.fixture
def chip(interpreter, tmp_path):
    return Chip(interpreter, tmp_path / "chip")


@pytest.fixture
def cut_chip(micropython, tmp_path):
    """For hundreds of lives: MicroPython's are short."""
    return Chip(micropython, tmp_path / "chip")


def test_image_is_on_trial_until_it_is_confirmed(chip):
    chip.live(UPDATE)
    assert chip.runs == "old"
    assert chip.live(CONFIRM)["trial"] == "True True"
    assert (chip.runs, chip.staged) == ("new", set())
    for _ in range(2):
        assert chip.live()["trial"] == "False False"
        assert chip.runs == "new"


def test_image_that_is_not_confirmed_goes_back(chip):
    chip.live(UPDATE)
    chip.live()
    assert chip.runs == "new"
    for _ in range(2):
        assert chip.live(CONFIRM)["trial"] == "False False"
        assert (chip.runs, chip.staged) == ("old", set())
    # And the next one comes as the first did.
    chip.live(UPDATE)
    chip.live(CONFIRM)
    assert (chip.runs, chip.staged) == ("new", set())


def test_soft_reset_within_the_trial_is_followed_by_one_that_takes_the_image_back(chip):
    chip.live(UPDATE)
    chip.live()
    said = chip.live("print('goes on')", cause=SOFT_RESET)
    assert "reset" in said and "goes" not in said
    chip.live()
    assert (chip.runs, chip.staged) == ("old", set())


def test_soft_reset_behind_the_trial_keeps_the_image(chip):
    chip.live(UPDATE)
    chip.live(CONFIRM)
    assert "goes" in chip.live("print('goes on')", cause=SOFT_RESET)
    chip.live()
    assert chip.runs == "new"


def test_start_that_the_new_image_has_not_come_to_confirms_nothing(chip):
    """It is in the journal and with the boot loader, and the old one still runs: for half a second, say."""
    chip.live(f"{UPDATE}\nnames['switch']()\nassert recovery.is_on_trial()\n{CONFIRM}")
    assert slots_state(chip) == {"ota_0": slots.VALID, "ota_1": slots.NEW}
    chip.live()
    chip.live()
    assert chip.runs == "old"


def slots_state(chip):
    said = chip.live("print('state', slots.state())", cause=SOFT_RESET)
    return {label: int(state) for label, state in ast.literal_eval(said["state"]).items()}


def cuts(chip, do, before=()):
    """Yield "all" of a chip's life `do` cut at each write, in turn; each begins with a new flash, and `before`."""
    cut = 0
    while True:
        shutil.rmtree(chip.folder / ".limpet", ignore_errors=True)
        for name in ("running", "nvs.json"):
            (chip.folder / name).unlink(missing_ok=True)
        slots.divide(chip.folder, OLD)
        for life in before:
            chip.live(life)
        if "left" in chip.live(do, cut):
            break
        yield cut
        cut += 1
    assert cut > 5


def check_whole(chip):
    """Check that what runs is whole, that a start without its minute leaves the old one, and that a new one comes."""
    chip.live()
    found = chip.runs
    assert found
    chip.live()
    again = chip.runs
    chip.live(CONFIRM)
    chip.live(CONFIRM)
    assert chip.staged == set()
    kept = chip.runs
    chip.live(UPDATE)
    chip.live(CONFIRM)
    chip.live()
    assert (chip.runs, chip.staged) == ("new", set())
    return found, again, kept


def test_power_gone_at_any_write_of_an_image_leaves_the_old_one_or_the_new_one_on_trial(cut_chip):
    ends = [check_whole(cut_chip) for _ in cuts(cut_chip, UPDATE)]
    assert {again for _, again, _ in ends} == {kept for _, _, kept in ends} == {"old"}
    # The boot loader knows of it with the last write.
    assert {found for found, _, _ in ends} == {"old"}


def test_power_gone_at_any_write_of_the_first_start_leaves_the_old_one(cut_chip):
    ends = [check_whole(cut_chip) for _ in cuts(cut_chip, "", [UPDATE])]
    assert {kept for _, _, kept in ends} == {"old"}


def test_power_gone_at_any_write_of_the_confirmation_leaves_either(cut_chip):
    ends = [check_whole(cut_chip) for _ in cuts(cut_chip, CONFIRM, [UPDATE])]
    # Whichever it is, it is the same for good.
    assert {len(set(end)) for end in ends} == {1}
    assert {kept for _, _, kept in ends} == {"old", "new"}


def test_power_gone_at_any_write_of_the_way_back_leaves_the_old_one(cut_chip):
    ends = [check_whole(cut_chip) for _ in cuts(cut_chip, "", [UPDATE, ""])]
    assert set(ends) == {("old", "old", "old")}


# -- what is no image for it

WRONG = {
    "another chip": (slots.make("new", chip=9), 422, "another chip"),
    "no image": (b"\x50\x4b" + OLD[2:], 422, "no image"),
    "an image of everything": (OLD[:32] + b"\x50" + OLD[33:], 422, ".app-bin"),
    "too short": (OLD[:20], 422, "no image"),
    "nothing": (b"", 422, ""),
    "too large": (slots.make("new", 5), 413, "16384"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("piece", [7, 3000])
def test_what_is_no_image_for_the_slot_is_refused(chip, wrong, piece):
    data, status, words = WRONG[wrong]
    path = chip.folder / "image"
    path.write_bytes(data)
    said = chip.live(f"data = open({str(path)!r}, 'rb').read()\nprint('said', said(update(data, {piece})))")["said"]
    assert ast.literal_eval(said)[0] == status and words in said
    chip.live()
    assert (chip.runs, chip.staged) == ("old", set())


def test_image_that_the_boot_loader_does_not_take_is_refused(chip):
    damaged = NEW[:-1] + bytes([NEW[-1] ^ 1])
    assert ast.literal_eval(chip.live(f"print('said', said(update({damaged!r})))")["said"])[0] == 422
    assert chip.staged == set()
    chip.live(UPDATE)
    chip.live(CONFIRM)
    assert chip.runs == "new"


def test_image_that_is_not_what_was_asked_for_is_refused(chip):
    said = chip.live(f"print('said', said(image.prepare(sum_of({NEW!r}), {len(NEW)})))")["said"]
    assert ast.literal_eval(said) == (409, "The image is not there.")


def test_image_of_any_size_of_pieces_is_whole(chip):
    for piece in (1, 13, 4096, 8192):
        chip.live(f"asyncio.run(update({NEW!r}, {piece}))")
        chip.live()
        assert chip.runs == "new"
        chip.live()
        assert chip.runs == "old"


def test_board_with_one_slot_says_what_to_do(interpreter, tmp_path):
    chip = Chip(interpreter, tmp_path / "chip", has_slots=False)
    said = chip.live(f"print('said', said(update({NEW!r})))")
    assert ast.literal_eval(said["said"])[0] == 409 and "tools flash --layout ota" in said["said"]


def test_board_tells_of_its_slots(chip):
    said = ast.literal_eval(chip.live("print('report', image.report())")["report"])
    assert said.pop("version").count(".") == 2
    assert said == {"slot": "ota_0", "other": "ota_1", "bytes": 16384, "chip": 0}
