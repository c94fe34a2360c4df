"""firmware/board/settings.py and schema.py: what is valid, what is kept, what a broken file or a power cut does."""

import json
import subprocess

import pytest

from firmware.board import settings
from firmware.server import opening
from firmware.server.limits import Limits
from host_tests.conftest import interpreter_named
from host_tests.vectors import settings as vectors
from tools import ROOT, mpy

schema = settings._schema()

HASH = vectors.HASH
FULL = {
    "hostname": "barnacle",
    "networks": [
        {"ssid": "Home", "password": "password1"},
        {"ssid": "Office", "password": "password2", "address": vectors.ADDRESS},
        {"ssid": "Café", "password": None},
    ],
    "access_point": {"ssid": "Setup", "password": "password3", "after_s": 30},
    "admin": HASH,
    "time_servers": ["192.168.1.1"],
    "ports": {"http": 8080},
    "limits": {"connections": 4},
    "pins": {"led": 2},
    "wifi": {"reset_after_s": 3600},
    "watchdog_s": 60,
}
LOST = "pbkdf2-sha256$1$00$" + "0" * 64
SECRETS = ("password1", "password2", "password3", HASH)


# py/map.c: a dict of more than 29 grows to 37, of 8 bytes each on a board, in one piece: more than 256 bytes.
MOST_NAMES = 29


def test_table_finds_room_in_a_heap_in_pieces(tmp_path):
    mpy.compile_tree(ROOT / "firmware", tmp_path / "firmware", "x86", is_bundled=True)
    command = interpreter_named("i386").command
    code = f"import sys; sys.path[:] = [{str(tmp_path)!r}, '.frozen']\n"
    code += "from firmware.board import settings, schema; print(len(schema.__dict__))"
    told = subprocess.run([*command, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert told.stdout.strip().isdigit() and int(told.stdout) <= MOST_NAMES, told


def test_every_limit_of_the_server_is_a_setting():
    limits = {name: value for name, value in vars(Limits).items() if name[0] != "_" and type(value) is int}
    bounds = schema.SCHEMA["limits"]
    assert set(bounds) == set(limits)
    for name, (kind, default, low, high) in bounds.items():
        assert kind is int and default is None and 0 < low <= high
        assert name in ("connections", "long_lived") or low <= limits[name] <= high  # a laptop has more
        for value in (low, high):
            changed = Limits()
            setattr(changed, name, value)
            opening.derive(changed)


def run(interpreter, folder, code):
    """Run code that has `settings` at hand, loaded from `folder`; return (what it printed, its last line as JSON)."""
    start = f"""
import json, os
from firmware.board import settings, storage
from firmware.http.errors import HTTPError
storage.use({str(folder)!r})
settings.load()
"""
    *console, result = interpreter.run("-c", start + code).stdout.splitlines()
    return console, json.loads(result)


def load(interpreter, folder):
    """Return what is printed, and the settings, when they are loaded."""
    return run(interpreter, folder, "print(json.dumps(settings.current))")


def whole(document):
    wrong = {}
    read = schema.read(document, None, wrong)
    assert not wrong
    return read


def write(folder, config=None, good=None):
    for name, content in (("config.json", config), ("config.good.json", good)):
        if content is not None:
            (folder / name).write_text(content if type(content) is str else json.dumps(content))


# -- what is valid


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case, monkeypatch):
    monkeypatch.setattr(settings, "_config", settings._config)
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("settings")


def test_defaults_are_whole():
    assert settings.current["hostname"] == "limpet"
    assert settings.current["networks"] == []
    assert settings.current["access_point"] == {"ssid": None, "password": None, "after_s": 60}
    assert settings.current["admin"] is None
    assert settings.current["wifi"] == {"reset_after_s": 0}
    assert settings.current["watchdog_s"] == 0
    assert settings.current["pins"]["led"] is None


def test_defaults_are_not_shared():
    first = whole({})
    first["networks"].append("x")
    first["time_servers"].clear()
    assert whole({})["networks"] == [] and whole({})["time_servers"]


def test_pin_of_another_version_is_left_out_and_the_rest_is_kept(interpreter, tmp_path):
    pins = [{"number": 4, "name": "Fan", "mode": "pwm"}, {"number": 5, "name": "Light", "mode": "adc"}]
    pins += [pins[0], {"number": 2, "name": "LED", "mode": "output"}]
    pins += [{"number": number, "name": "More", "mode": "adc"} for number in range(12, 30)]
    write(tmp_path, {**FULL, "pins": {"led": 2, "gpio": pins}})
    console, loaded = load(interpreter, tmp_path)
    assert any("a pin of the settings is left out" in line for line in console)
    assert loaded == whole({**FULL, "pins": {"led": 2, "gpio": pins[:1]}})


# -- kept


def test_first_start_has_defaults_and_writes_nothing(interpreter, tmp_path):
    assert load(interpreter, tmp_path) == ([], whole({}))
    assert list(tmp_path.iterdir()) == []


def test_settings_come_back_as_they_were_given(interpreter, tmp_path):
    code = f"settings.replace(json.loads({json.dumps(FULL)!r})); print(json.dumps(settings.current))"
    assert run(interpreter, tmp_path, code) == ([], whole(FULL))
    assert load(interpreter, tmp_path) == ([], whole(FULL))
    for name in ("config.json", "config.good.json"):
        assert json.loads((tmp_path / name).read_text()) == whole(FULL)


def test_change_keeps_the_other_members(interpreter, tmp_path):
    write(tmp_path, FULL)
    code = "settings.change(networks=[], watchdog_s=0); print(json.dumps(settings.current))"
    expected = whole({**FULL, "networks": [], "watchdog_s": 0})
    assert run(interpreter, tmp_path, code) == ([], expected)
    assert load(interpreter, tmp_path) == ([], expected)


def test_refused_change_changes_nothing(interpreter, tmp_path):
    write(tmp_path, FULL)
    code = """
before = settings.current
try:
    settings.change(hostname="", watchdog_s=1)
except HTTPError as error:
    print(json.dumps([error.status, error.fields, error.detail, settings.current is before]))
"""
    status, fields, detail, same = run(interpreter, tmp_path, code)[1]
    assert (status, sorted(fields), same) == (422, ["hostname", "watchdog_s"], True)
    assert detail.startswith("Something is wrong with hostname: A host name has") and detail.endswith(" (And 1 more.)")
    assert load(interpreter, tmp_path) == ([], whole(FULL))


def test_change_that_cannot_be_saved_changes_nothing(interpreter, tmp_path):
    write(tmp_path, FULL, whole(FULL))
    code = """
before = settings.current
os.mkdir(storage.folder + "/config.json.new")
try:
    settings.change(hostname="other")
except OSError:
    print(json.dumps(settings.current is before))
"""
    assert run(interpreter, tmp_path, code) == ([], True)
    (tmp_path / "config.json.new").rmdir()
    assert load(interpreter, tmp_path) == ([], whole(FULL))


# -- secrets


def test_public_settings_have_no_secret(interpreter, tmp_path):
    write(tmp_path, FULL)
    _, public = run(interpreter, tmp_path, "print(json.dumps(settings.public()))")
    assert not any(secret in json.dumps(public) for secret in SECRETS)
    expected = whole(FULL)
    expected["admin"] = expected["access_point"]["password"] = True
    for network, has_password in zip(expected["networks"], (True, True, False)):
        network["password"] = has_password
    assert public == expected


def test_public_settings_can_be_restored(interpreter, tmp_path):
    write(tmp_path, FULL)
    code = "settings.replace(settings.public()); print(json.dumps(settings.current))"
    assert run(interpreter, tmp_path, code) == ([], whole(FULL))


def test_public_settings_of_a_new_board_can_be_restored(interpreter, tmp_path):
    code = "settings.replace(settings.public()); print(json.dumps(settings.current))"
    assert run(interpreter, tmp_path, code) == ([], whole({}))


def test_secret_is_kept_by_the_name_of_its_network(interpreter, tmp_path):
    write(tmp_path, FULL)
    code = """
public = settings.public()
public["networks"] = [{"ssid": "New", "password": "password9"}] + public["networks"][::-1]
public["admin"] = False
settings.replace(public)
print(json.dumps(settings.current))
"""
    networks = [{"ssid": "New", "password": "password9"}, *FULL["networks"][::-1]]
    assert run(interpreter, tmp_path, code)[1] == whole({**FULL, "networks": networks, "admin": None})


def test_secret_of_another_network_is_not_kept(interpreter, tmp_path):
    write(tmp_path, FULL)
    code = """
public = settings.public()
public["networks"][0]["ssid"] = "Trap"
try:
    settings.replace(public)
except HTTPError as error:
    print(json.dumps(error.fields))
"""
    assert run(interpreter, tmp_path, code)[1] == {"networks.0.password": "There is none to keep: give it, not true."}


def test_messages_tell_no_secret():
    for secret in ("pässword-of-mine", 64 * "S3cret", "S3cret"):
        wrong = {}
        schema.read({"admin": secret, "networks": [{"ssid": "x", "password": secret}]}, None, wrong)
        assert "admin" in wrong
        assert secret not in json.dumps(wrong, ensure_ascii=False)


# -- broken files


@pytest.mark.parametrize("broken", ["", "{", '{"hostname": ""}', "[]", "null", '{"admin": true}', "\0\0\0\0"], ids=repr)
def test_broken_file_falls_back_to_the_last_good_and_says_so(interpreter, tmp_path, broken):
    write(tmp_path, broken, FULL)
    console, current = load(interpreter, tmp_path)
    assert current == whole(FULL)
    assert len(console) == 2
    assert console[0].startswith(f"limpet: {tmp_path}/config.json cannot be used")
    assert console[1] == "limpet: the last good settings are used"
    assert (tmp_path / "config.json.bad").read_text() == broken
    # The next start finds all well.
    assert load(interpreter, tmp_path) == ([], whole(FULL))


def test_reason_names_the_setting(interpreter, tmp_path):
    write(tmp_path, {"ports": {"http": "80"}})
    console, current = load(interpreter, tmp_path)
    assert console[0].endswith("Something is wrong with ports.http: Must be a whole number from 1 to 65535.")
    assert current == whole({"admin": LOST})


def test_missing_file_falls_back_to_the_last_good(interpreter, tmp_path):
    write(tmp_path, None, FULL)
    assert load(interpreter, tmp_path) == (["limpet: the last good settings are used"], whole(FULL))
    assert load(interpreter, tmp_path) == ([], whole(FULL))


@pytest.mark.parametrize("config", ["{", "", "{}", None])
@pytest.mark.parametrize("good", ["[", "", "{}", None])
def test_two_broken_files_are_the_defaults_with_a_password_that_nobody_has(interpreter, tmp_path, config, good):
    write(tmp_path, config, good)
    console, current = load(interpreter, tmp_path)
    if config is good is None:
        assert (console, current) == ([], whole({}))
        return
    assert current == whole({"admin": LOST})
    *broken, last = console
    assert len(broken) == (config is not None) + (good is not None)
    assert all("cannot be used" in line for line in broken)
    assert last.startswith("limpet: no settings can be used, and nobody can log in: write a config.json, or remove con")
    # So it stays, over starts and over what is saved, until somebody who has the files ends it.
    assert load(interpreter, tmp_path) == ([last], whole({"admin": LOST}))
    code = "settings.change(hostname='other'); print(json.dumps(settings.current['admin']))"
    assert run(interpreter, tmp_path, code) == ([last], LOST)
    assert load(interpreter, tmp_path) == ([], whole({"hostname": "other", "admin": LOST}))
    write(tmp_path, {"hostname": "mended"})
    assert load(interpreter, tmp_path) == ([], whole({"hostname": "mended"}))


def test_file_that_cannot_be_read_for_now_is_not_touched(interpreter, tmp_path):
    """A driver's error, or memory that is short, is no fault of the file's."""
    write(tmp_path, FULL, {**FULL, "hostname": "older"})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code = f"""
storage.use({str(tmp_path)!r})
admins = []
for error in (OSError, lambda number: MemoryError()):
    for left in (0, 1, 2):
        admins.append(start(left, error).current["admin"])
Flash.left = None
print(json.dumps(admins))
"""
    admins = json.loads(interpreter.run("-c", FLASH + code).stdout.splitlines()[-1])
    assert None not in admins
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_broken_copy_is_made_anew(interpreter, tmp_path):
    write(tmp_path, FULL, "{")
    console, current = load(interpreter, tmp_path)
    assert (len(console), current) == (1, whole(FULL))
    assert json.loads((tmp_path / "config.good.json").read_text()) == whole(FULL)


def test_file_edited_by_hand_becomes_the_last_good(interpreter, tmp_path):
    write(tmp_path, {"hostname": "edited"}, FULL)
    assert load(interpreter, tmp_path) == ([], whole({"hostname": "edited"}))
    write(tmp_path, '{"hostname": "edited",}')
    assert load(interpreter, tmp_path)[1] == whole({"hostname": "edited"})


def test_setting_of_another_version_is_passed_over(interpreter, tmp_path):
    write(tmp_path, {"hostname": "new", "antenna": 2, "networks": [{"ssid": "Home", "channel": 6}]})
    console, current = load(interpreter, tmp_path)
    assert (console, current) == ([], whole({"hostname": "new", "networks": [{"ssid": "Home"}]}))


def test_unchanged_settings_are_not_written_again(interpreter, tmp_path):
    write(tmp_path, FULL, FULL)
    before = [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]
    load(interpreter, tmp_path)
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())] == before


def test_huge_file_falls_back_to_the_last_good(micropython, tmp_path):
    write(tmp_path, "[" + 200000 * " ", FULL)
    code = f"""
from firmware.board import settings, storage
storage.use({str(tmp_path)!r})
print(settings.load()["hostname"])
"""
    out = micropython.run("-c", code, heapsize="160k").stdout
    assert "config.json.bad: it has more than 65536 bytes" in out and out.endswith("\nbarnacle\n")


def test_huge_files_are_set_aside_and_the_board_starts(interpreter, tmp_path):
    for name in ("config.json", "config.good.json"):
        (tmp_path / name).write_text('{"hostname": "' + "x" * 5_000_000 + '"}')
    console, current = load(interpreter, tmp_path)
    assert current == whole({"admin": LOST}) and len(console) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.good.json.bad", "config.json.bad"]


# -- power cuts

# A flash under `storage` whose power goes at the nth operation, before it or in the middle of it; or that is worn out.
FLASH = """
import json, os, sys
from firmware.board import storage

class Cut(BaseException):
    pass

class Flash:
    left = None
    error = Cut

def step():
    if Flash.left is not None:
        Flash.left -= 1
        if Flash.left < 0:
            raise Flash.error(5)

class File:
    def __init__(self, file):
        self.file = file
    def __enter__(self):
        return self
    def __exit__(self, *exception):
        self.file.close()
    def read(self):
        step()
        return self.file.read()
    def write(self, text):
        try:
            step()
        except BaseException:
            self.file.write(text[: len(text) // 2])
            raise
        self.file.write(text)
        try:
            step()
        except BaseException:
            self.file.flush()
            raise
    def flush(self):
        self.file.flush()
        step()
    def fileno(self):
        return self.file.fileno()

class Os:
    def __getattr__(self, name):
        if name in ("fsync", "O_DIRECTORY"):
            raise AttributeError(name)  # as on a board
        return getattr(os, name)
    def rename(self, old, new):
        step()
        getattr(os, "replace", os.rename)(old, new)
        step()
    replace = rename
    def remove(self, path):
        step()
        os.remove(path)

def open_file(path, mode):
    step()
    return File(open(path, mode))

documents = storage._documents()
documents.os = Os()
documents.open = open_file
storage._documents = lambda: documents

def start(left=None, error=Cut):
    "Start the board, whose power then goes after so many operations."
    sys.modules.pop("firmware.board.settings", None)
    settings = __import__("firmware.board.settings", None, None, ("it",))
    Flash.error = error
    Flash.left = left
    settings.load()
    return settings
"""


def test_power_cut_at_every_write_leaves_old_or_new(interpreter, tmp_path):
    code = f"""
storage.use({str(tmp_path)!r})
start().replace({{"hostname": "n0"}})
old = 0
seen = []
for count in range(100):
    new = old + 1
    settings = start()
    Flash.left = count
    try:
        settings.change(hostname="n%d" % new)
        finished = True
    except Cut:
        finished = False
    Flash.left = None
    found = int(start().current["hostname"][1:])
    assert found == new or found == old and not finished, (count, found)
    seen.append([finished, found == new])
    for name in ("config.json", "config.good.json"):
        with open({str(tmp_path)!r} + "/" + name) as file:
            assert json.loads(file.read())["hostname"] == "n%d" % found
    old = found
    if finished:
        break
print(json.dumps(seen))
"""
    seen = json.loads(interpreter.run("-c", FLASH + code).stdout.splitlines()[-1])
    assert len(seen) > 10
    assert seen[0] == [False, False] and seen[-1] == [True, True]
    # Old up to some moment, new behind it.
    assert seen == sorted(seen)


def test_power_cut_during_the_way_back_is_borne(interpreter, tmp_path):
    """A broken file, and power that goes at every step of the next starts."""
    code = f"""
storage.use({str(tmp_path)!r})
cuts = 0
for count in range(100):
    start().replace({{"hostname": "good"}})
    with open({str(tmp_path)!r} + "/config.json", "w") as file:
        file.write('{{"hostname": "ba')
    for again in (count, count // 2, None):
        try:
            hostname = start(again).current["hostname"]
            assert hostname == "good", (count, again, hostname)
        except Cut:
            cuts += 1
    Flash.left = None
    assert start().current["hostname"] == "good"
print(cuts)
"""
    assert int(interpreter.run("-c", FLASH + code).stdout.splitlines()[-1]) > 15


def test_flash_that_fails_at_any_step_leaves_old_or_new(interpreter, tmp_path):
    """Errors in place of cuts: what was refused is not there after a start, what was taken is."""
    code = f"""
storage.use({str(tmp_path)!r})
start().replace({{"hostname": "n0"}})
old = 0
raised = 0
for count in range(30):
    settings = start()
    Flash.left = count
    Flash.error = OSError
    try:
        settings.change(hostname="n%d" % (old + 1))
        assert settings.current["hostname"] == "n%d" % (old + 1)
        old += 1
    except OSError:
        raised += 1
        assert settings.current["hostname"] == "n%d" % old
        Flash.left = None
        found = int(start().current["hostname"][1:])
        # Only the very last step, the rename itself, may have been done and reported as failed.
        assert found in (old, old + 1), (count, found)
        old = found
        continue
    Flash.left = None
    assert start().current["hostname"] == "n%d" % old
print(raised)
"""
    assert 4 < int(interpreter.run("-c", FLASH + code).stdout.splitlines()[-1]) < 14
