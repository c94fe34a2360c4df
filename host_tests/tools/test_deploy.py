"""tools/deploy.py against an emulated board: what is sent, what stays, and what a pulled cable leaves.

Most use a small tree whose parts all know their version: main.py prints them, so that a mix shows.
"""

import contextlib
import gzip
import http.client
import http.server
import io
import json
import os
import random
import shutil
import sys
import threading
import time
import tty
from types import SimpleNamespace

import pytest
from mpremote import transport_serial

import firmware
from host_tests.conftest import interpreter_named
from host_tests.emulated.prompt import PROMPT
from host_tests.emulated_board import Clock, EmulatedBoard
from host_tests.servers import HOST, free_port
from tools import ROOT, console, deploy, health, manifest, memory, mpy, ports
from tools import board as boards
from tools.board import Board, RemoteError
from tools.console import Failure

# Without the second in which it waits for a hand at the keyboard.
BOOT = (ROOT / "boot.py").read_text().replace("_WINDOW_MS = 1000", "_WINDOW_MS = 0")
# A folder of the flash stands for what is frozen into the image.
IMAGE = "/image"
assert '".frozen"' in BOOT
BOOT = BOOT.replace('".frozen"', f'"{IMAGE}"')

# x64, as the emulated chip is, and version 6.3; then other architectures.
XTENSAWIN = 10 << 10 | 0x306
RV32IMC = 11 << 10 | 0x306

MAIN = """
import firmware
from firmware import a, b
from firmware.sub import c
with open("/firmware/site/www/index.html") as file:
    page = file.read(3)
with open("/firmware/site/www/index.html.gz", "rb") as file:
    import deflate
    packed = str(deflate.DeflateIO(file).read(3), "utf-8")
names = {names}
print("http://0.0.0.0:80/ tree:", "{version}", a.VERSION, b.VERSION, c.VERSION, page, packed)
"""

# mpy-cross compiles it to machine code, which only the right chip takes.
NATIVE = """
import micropython
@micropython.viper
def double(x: int) -> int:
    return x + x
assert double(21) == 42
"""


def make_tree(folder, version):
    """Make a small tree whose parts are all of one version, "old" or "new"."""
    files = {
        "boot.py": f"{BOOT}\nprint('boot {version}')\n",
        "main.py": MAIN.format(version=version, names=[version] * 200),
        "firmware/__init__.py": "",
        "firmware/a.py": f"VERSION = '{version}'\n{NATIVE}",
        "firmware/b.py": f"VERSION = '{version}'\nDATA = {random.Random(version).randbytes(6000)!r}\n",
        "firmware/sub/__init__.py": "# the same in both\n",
        "firmware/sub/c.py": f"VERSION = '{version}'\n",
        f"firmware/{version}/d.py": f"VERSION = '{version}'\n",
        "firmware/site/www/index.html": f"{version}<p>" + "A page. " * 500,
    }
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def printed(version):
    return " ".join(["tree:", *[version] * 6]).encode()


@pytest.fixture(scope="module")
def chip():
    return interpreter_named("amd64")


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Both trees: {"old": folder, "new": folder}."""
    return {version: make_tree(tmp_path_factory.mktemp(version), version) for version in ("old", "new")}


@pytest.fixture(scope="module")
def wanted(trees):
    """What a board with either tree has, {version: {path: hash}}."""
    return {
        version: {path: manifest.sha256(data) for path, data in manifest.build(folder, "x64").items()}
        for version, folder in trees.items()
    }


@pytest.fixture(scope="module")
def old_flash(chip, trees, tmp_path_factory):
    """A flash with the old tree, and data of its user's."""
    flash = tmp_path_factory.mktemp("flash") / "old"
    with EmulatedBoard(flash, chip) as board:
        deploy.deploy(board.name, trees["old"])
        with Board(board.name) as there:
            there.make_folder("/data")
            there.write("/data/users.json", b'{"users": []}')
            there.write("/mine.py", b"# a user's own\n")
    return flash


@pytest.fixture
def flash(old_flash, tmp_path):
    return shutil.copy(old_flash, tmp_path / "flash")


def boot(flash, chip):
    """Power a board on; return what it prints up to its prompt."""
    with EmulatedBoard(flash, chip) as board:
        return board.wait_for(PROMPT)


def files(flash, chip):
    """Return {path: hash} of all files on a board but the staging folder's."""
    with EmulatedBoard(flash, chip) as board, Board(board.name) as there:
        return there.hashes(path for path in there.walk("/") if path[-1] != "/" and not path.startswith("/.limpet/"))


def failure(*args, **options):
    """Return the one line with which a deployment fails."""
    with pytest.raises(Failure) as raised:
        deploy.deploy(*args, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# -- what is sent


def test_first_deployment_brings_all_and_the_second_nothing(chip, trees, wanted, tmp_path):
    flash = tmp_path / "flash"
    with EmulatedBoard(flash, chip) as board:
        done = deploy.deploy(board.name, trees["old"])
        assert done["sent"] == sorted(wanted["old"])
        assert done["machine"] == board.machine
        again = deploy.deploy(board.name, trees["old"])
        assert (again["sent"], again["sent_bytes"], again["removed"]) == ([], 0, [])
        board.wait_for(printed("old"))
    assert files(flash, chip) == wanted["old"]


def test_changed_files_are_sent_removed_ones_removed_and_others_stay(chip, trees, wanted, flash):
    before = files(flash, chip)
    with EmulatedBoard(flash, chip) as board:
        done = deploy.deploy(board.name, trees["new"])
    unchanged = {"/firmware/__init__.mpy", "/firmware/sub/__init__.mpy"}
    assert set(done["sent"]) == set(wanted["new"]) - unchanged
    assert done["removed"] == ["/firmware/old/d.mpy"]
    own = {path: before[path] for path in ("/data/users.json", "/mine.py")}
    assert files(flash, chip) == {**wanted["new"], **own}
    assert printed("new") in boot(flash, chip)
    with EmulatedBoard(flash, chip) as board, Board(board.name) as there:
        assert "/firmware/old/" not in there.walk("/firmware")
        assert list(there.walk("/.limpet")) == ["/.limpet/manifest"]


def test_dry_run_changes_nothing(chip, trees, wanted, flash):
    before = files(flash, chip)
    with EmulatedBoard(flash, chip) as board:
        done = deploy.deploy(board.name, trees["new"], dry_run=True)
        assert "/main.py" in done["sent"] and done["removed"] == ["/firmware/old/d.mpy"]
        board.wait_for(printed("old"))  # it was interrupted, and serves again
    assert files(flash, chip) == before


def test_a_file_changed_on_the_board_is_sent_again(chip, trees, flash):
    with EmulatedBoard(flash, chip) as board:
        with Board(board.name) as there:
            there.write("/firmware/site/www/index.html.gz", b"damaged")
            there.remove("/firmware/sub/c.mpy")
        done = deploy.deploy(board.name, trees["old"])
    # The compressed page has to be the younger one.
    page = "/firmware/site/www/index.html"
    assert done["sent"] == [page, page + ".gz", "/firmware/sub/c.mpy"]


def test_source_replaces_what_was_compiled_and_back(chip, trees, flash, wanted):
    with EmulatedBoard(flash, chip) as board:
        done = deploy.deploy(board.name, trees["old"], form="source")
        assert "/firmware/a.py" in done["sent"] and "/firmware/a.mpy" in done["removed"]
        board.wait_for(printed("old"))
        done = deploy.deploy(board.name, trees["old"])
        assert "/firmware/a.mpy" in done["sent"] and "/firmware/a.py" in done["removed"]
    assert not {"/firmware/a.py"} & set(files(flash, chip))


@pytest.mark.parametrize("arch", ["xtensawin", None])
def test_what_only_a_laptop_loads_is_not_sent(arch):
    files = manifest.build(ROOT, arch, "compiled" if arch else "source")
    halves = {f"/firmware/{half}" for half in manifest.LAPTOPS}
    assert all((ROOT / half[1:]).is_file() for half in halves)
    ending = (".py", ".mpy")[bool(arch)]
    assert not {half.replace(".py", ending) for half in halves} & set(files)
    assert f"/firmware/board/hardware{ending}" in files
    assert {path.rpartition(".")[2] for path in files if "/www/" not in path} <= {"py", ending[1:]}


def test_notes_and_types_for_who_writes_code_are_not_sent(trees, wanted, tmp_path):
    tree = shutil.copytree(trees["old"], tmp_path / "tree")
    for name in ("README.md", "__init__.pyi"):
        (tree / "firmware" / name).write_text("Words.")
    assert set(manifest.build(tree, "x64")) == set(wanted["old"])


def test_hash_of_a_tree_is_that_of_what_a_board_loads(trees, tmp_path):
    tree = shutil.copytree(trees["old"], tmp_path / "tree")
    before = manifest.tree_hash(tree)
    assert before != manifest.tree_hash(trees["new"])
    for name in ("main.py", "firmware/board/sim.py", "firmware/site/www/index.html"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text("another")
    for file in tree.rglob("*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert manifest.tree_hash(tree) == before
    (tree / "firmware" / "e.py").write_text("")
    assert manifest.tree_hash(tree) != before


def test_image_tells_version_and_hash_of_what_is_frozen(trees):
    told = {}
    exec(manifest.frozen_module(ROOT), told)
    assert told["VERSION"] == firmware.VERSION and told["TREE"] == manifest.tree_hash(ROOT)
    exec(manifest.frozen_module(trees["old"]), told)
    assert told["VERSION"] is None


def test_socket_reaches_a_board_elsewhere(chip, trees, flash):
    with EmulatedBoard(flash, chip, tcp=True) as board:
        assert deploy.deploy(board.name, trees["old"])["sent"] == []


# -- what goes wrong


def assert_whole(flash, chip, wanted):
    """Assert that a board boots the old tree or the new one, in every part; return which."""
    output = boot(flash, chip)
    version = "new" if printed("new") in output else "old"
    assert printed(version) in output, output
    own = {"/data/users.json", "/mine.py"}
    there = files(flash, chip)
    assert {path: value for path, value in there.items() if path not in own} == wanted[version]
    assert own <= set(there)
    return version


@pytest.fixture(scope="module")
def whole_run(chip, trees, old_flash, tmp_path_factory):
    """A board that the new tree was deployed to over the old one: how much that took."""
    with EmulatedBoard(shutil.copy(old_flash, tmp_path_factory.mktemp("whole") / "flash"), chip) as board:
        deploy.deploy(board.name, trees["new"])
        return board


def deploy_until_cut(chip, flash, tree, **cut):
    with EmulatedBoard(flash, chip, **cut) as board:
        try:
            deploy.deploy(board.name, tree)
        except Failure as error:
            assert "\n" not in str(error)


def test_cable_pulled_at_any_byte_leaves_the_old_tree_or_the_new(chip, trees, wanted, old_flash, whole_run, tmp_path):
    chance = random.Random(6)
    for cut in chance.sample(range(1, whole_run.received_bytes), 20):
        flash = shutil.copy(old_flash, tmp_path / "flash")
        deploy_until_cut(chip, flash, trees["new"], cut_after_bytes=cut)
        assert_whole(flash, chip, wanted)


# The lives of a board that is deployed to, between its resets.
POWERED, STAGING, SWITCHING, SERVING = range(4)


def test_power_gone_at_any_write_leaves_the_old_tree_or_the_new(chip, trees, wanted, old_flash, whole_run, tmp_path):
    staging, switching = whole_run.writes[STAGING], whole_run.writes[SWITCHING]
    # The files themselves here and there, then the journal's appearance, and all that it does.
    cuts = [(STAGING, n) for n in sorted({*range(0, staging, staging // 8), *range(staging - 8, staging)})]
    cuts += [(SWITCHING, n) for n in range(0, switching, 2)]
    found = []
    for cut in cuts:
        flash = shutil.copy(old_flash, tmp_path / "flash")
        deploy_until_cut(chip, flash, trees["new"], cut_after_writes=cut)
        found.append(assert_whole(flash, chip, wanted))
    # Once it is the new one it stays that.
    assert "".join(version[0] for version in found).lstrip("o").strip("n") == ""
    assert set(found) == {"old", "new"}


def test_power_gone_again_while_booting_leaves_the_new_tree(chip, trees, wanted, old_flash, whole_run, tmp_path):
    half = shutil.copy(old_flash, tmp_path / "half")
    deploy_until_cut(chip, half, trees["new"], cut_after_writes=(SWITCHING, 0))
    for n in range(0, whole_run.writes[SWITCHING], 3):
        flash = shutil.copy(half, tmp_path / "flash")
        with EmulatedBoard(flash, chip, cut_after_writes=(POWERED, n)) as board:
            board.join()
        assert assert_whole(flash, chip, wanted) == "new"


def test_power_gone_on_a_board_that_was_somebody_elses(chip, trees, wanted, tmp_path):
    other = tmp_path / "other"
    with EmulatedBoard(other, chip) as board, Board(board.name) as there:
        there.write("/main.py", b"print('mine')")
    flash = shutil.copy(other, tmp_path / "flash")
    with EmulatedBoard(flash, chip) as board:
        deploy.deploy(board.name, trees["old"])
        staging, switching = board.writes[STAGING], board.writes[SWITCHING]
    found = []
    cuts = [(STAGING, n) for n in range(staging - 8, staging)] + [(SWITCHING, n) for n in range(0, switching, 3)]
    for cut in cuts:
        flash = shutil.copy(other, tmp_path / "flash")
        deploy_until_cut(chip, flash, trees["old"], cut_after_writes=cut)
        output = boot(flash, chip)
        found.append(output)
        if b"mine" in output:
            assert list(files(flash, chip)) == ["/main.py"]
        else:
            assert printed("old") in output
            assert files(flash, chip) == wanted["old"]
    assert b"mine" in found[0] and b"mine" not in found[-1]


def test_deployment_after_a_cut_sends_only_what_is_missing(chip, trees, wanted, flash, whole_run):
    cut = whole_run.writes[STAGING] * 3 // 4
    deploy_until_cut(chip, flash, trees["new"], cut_after_writes=(STAGING, cut))
    with EmulatedBoard(flash, chip) as board:
        done = deploy.deploy(board.name, trees["new"])
        assert 0 < done["sent_bytes"] < 9000
    assert assert_whole(flash, chip, wanted) == "new"


FILL = """
n = 0
while True:
    n += 1
    with open("/{size}-%d" % n, "wb") as file:
        file.write(bytes({size}))
"""


@pytest.mark.parametrize("estimate", ["right", "wrong"])
def test_full_file_system_is_one_line_and_the_old_tree_stays(chip, trees, wanted, flash, monkeypatch, estimate):
    if estimate == "wrong":
        monkeypatch.setattr(manifest, "RESERVE_BYTES", -(10**6))
    with EmulatedBoard(flash, chip) as board:
        with Board(board.name) as there:
            for size in (30000, 3000):
                with pytest.raises(RemoteError, match="is full"):
                    there.run(FILL.format(size=size))
            there.write("/3000-1", b"")
        text = failure(board.name, trees["new"])
        board.wait_for(printed("old"))
    assert ("Not enough room" if estimate == "right" else "is full") in text and "Nothing has changed" in text
    there = files(flash, chip)
    assert {path: there[path] for path in wanted["old"]} == wanted["old"]


def test_read_only_file_system_is_one_line(chip, trees, flash):
    with EmulatedBoard(flash, chip, read_only=True) as board:
        assert "read-only" in failure(board.name, trees["new"])
        board.wait_for(printed("old"))


@pytest.mark.parametrize(
    "code, text",
    [
        ("os.mkdir('/main.py')", "/main.py is a folder"),
        ("open('/firmware', 'w').close()", "/firmware is a file"),
        ("os.mkdir('/firmware'); open('/firmware/a.py', 'w').close()", "/firmware/a.py would hide"),
    ],
)
def test_what_is_in_the_way_is_named_and_stays(chip, trees, tmp_path, code, text):
    flash = tmp_path / "flash"
    with EmulatedBoard(flash, chip) as board:
        with Board(board.name) as there:
            there.run(code)
            before = there.walk("/")
        assert text in failure(board.name, trees["old"])
        with Board(board.name) as there:
            assert there.walk("/") == before


def test_boot_py_that_knows_no_journal_is_refused(chip, trees, flash, tmp_path):
    tree = shutil.copytree(trees["new"], tmp_path / "tree")
    (tree / "boot.py").write_text("# switch(\n")
    with EmulatedBoard(flash, chip) as board:
        assert "boot.py has not completed" in failure(board.name, tree)
        # Once there is one that does.
        deploy.deploy(board.name, trees["new"])
        board.wait_for(printed("new"))
    (tree / "boot.py").write_text("")
    with EmulatedBoard(flash, chip) as board:
        assert "has no switch()" in failure(board.name, tree)


def test_tree_that_does_not_compile_changes_nothing(chip, trees, flash, tmp_path):
    tree = shutil.copytree(trees["new"], tmp_path / "tree")
    (tree / "firmware" / "a.py").write_text("if:\n")
    with EmulatedBoard(flash, chip) as board:
        assert "a.py" in failure(board.name, tree)
        board.wait_for(printed("old"))


@pytest.mark.parametrize("format, arch, byte", [(XTENSAWIN, "xtensawin", 10), (RV32IMC, "rv32imc", 11)])
def test_native_code_is_made_for_the_chip(chip, trees, tmp_path, format, arch, byte):
    assert mpy.architecture(format) == arch
    with EmulatedBoard(tmp_path / "flash", chip, mpy=format) as board:
        # Which is not what the emulated one really is.
        assert "incompatible .mpy" in failure(board.name, trees["old"])
        with Board(board.name) as there:
            # The architecture is in a .mpy's third byte, above two bits of its sub-version.
            assert there.read("/firmware/a.mpy")[2] >> 2 == byte


@pytest.mark.parametrize("format, text", [(0x306, "no native code"), (2 << 10 | 0x205, "5.2"), (0, "0.0")])
def test_micropython_that_takes_none_of_it_is_told(chip, trees, tmp_path, format, text):
    # 0 stands for the interpreter's own.
    with EmulatedBoard(tmp_path / "flash", chip, mpy=format or 1 << 16) as board:
        output = failure(board.name, trees["old"])
        assert text in output and "flash" in output


def test_two_boards_at_once_are_a_question(chip, trees, flash, old_flash, tmp_path, monkeypatch, capsys):
    second = shutil.copy(old_flash, tmp_path / "second")
    with EmulatedBoard(flash, chip) as one, EmulatedBoard(second, chip) as two:
        found = [SimpleNamespace(device=board.name, vid=0x10C4, serial_number="1") for board in (one, two)]
        monkeypatch.setattr(ports.list_ports, "comports", lambda: found)
        with pytest.raises(Failure, match=f"{one.name}.*{two.name}.*--port|{two.name}.*{one.name}.*--port"):
            deploy.main(["--root", str(trees["new"])])
        assert deploy.main(["--root", str(trees["new"]), "--port", two.name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["port"] == two.name
        two.wait_for(printed("new"))
        assert one.received_bytes == 0


def test_no_board_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [])
    with pytest.raises(Failure, match="^No board found"):
        deploy.main([])
    assert "There is no" in failure(str(tmp_path / "ttyUSB7"))


def test_port_in_use_is_one_line(chip, trees, flash):
    with EmulatedBoard(flash, chip) as board, ports.opened(board.name):
        assert "is in use" in failure(board.name, trees["new"])


def test_line_without_micropython_is_one_line(monkeypatch, trees):
    monkeypatch.setattr("tools.board.PROMPT_TIMEOUTS_S", (0.1,))
    monkeypatch.setattr("tools.board.LINE_S", 0.1)
    master, slave = os.openpty()
    try:
        assert "No MicroPython answers" in failure(os.ttyname(slave), trees["new"])
    finally:
        os.close(master)
        os.close(slave)


# -- a board that is slow


@pytest.fixture
def clock(monkeypatch):
    """The time of those who wait, which only the board lets pass."""
    made = Clock()
    for module in (transport_serial, boards, deploy):
        monkeypatch.setattr(module, "time", made)
    return made


def test_write_and_rename_that_take_most_of_a_minute_end_no_deployment(chip, trees, wanted, flash, clock):
    with EmulatedBoard(flash, chip, slow_ms=(50_000, 59_000), clock=clock) as board:
        board.wait_for(PROMPT)
        done = deploy.deploy(board.name, trees["new"])
        assert clock.monotonic() > 50 * len(done["sent"])
        assert board.unheard == 0
        board.wait_for(printed("new"))
    assert assert_whole(flash, chip, wanted) == "new"


def test_board_that_stays_silent_for_longer_is_given_up(chip, trees, flash, clock, monkeypatch):
    with EmulatedBoard(flash, chip) as board:
        board.wait_for(PROMPT)
        monkeypatch.setattr(clock, "sleep", lambda seconds: clock.advance(1))
        with Board(board.name) as there:
            there._transport.serial.timeout = 0.01
            begun = clock.monotonic()
            with pytest.raises(Failure, match="stopped answering"):
                there.run("while True: pass")
            waited_s = clock.monotonic() - begun
    assert boards.SILENCE_S <= waited_s < 2 * boards.SILENCE_S


def test_ctrl_c_does_not_interrupt_a_change(chip, trees, wanted, flash, monkeypatch):
    """As deploy did, which asked for its prompt again after 3 s."""
    monkeypatch.setattr(boards, "PROMPT_TIMEOUTS_S", (0.5,) * 60)
    monkeypatch.setattr(boards, "BOOT_S", 0.05)
    monkeypatch.setattr(boards, "LINE_S", 0.01)
    with EmulatedBoard(flash, chip, slow_ms=(0, 200)) as board:
        with Board(board.name) as there:
            plan = deploy.look(there, trees["new"], manifest.COMPILED)
            deploy.stage(there, plan)
            there.replace(manifest.JOURNAL, plan.journal)
            there.rename(manifest.HOME + plan.name("/boot.py"), "/boot.py")
        board.wait_for(b"changing over, 2 of")
        # In the middle of it comes who knows nothing of it.
        with Board(board.name) as there:
            assert not there.hashes([manifest.JOURNAL])[manifest.JOURNAL]
        assert board.unheard > 0 and b"changed over" in board.console
    assert assert_whole(flash, chip, wanted) == "new"


def test_boot_py_that_never_ends_is_interrupted(chip, flash, monkeypatch):
    monkeypatch.setattr(boards, "BOOT_S", 0.1)
    monkeypatch.setattr(boards, "LINE_S", 0.1)
    with EmulatedBoard(flash, chip) as board:
        with Board(board.name) as there:
            there.replace("/boot.py", b"print('for ever')\nwhile True: pass\n")
        board.wait_for(b"for ever")
        with Board(board.name) as there:
            assert there.ask("6 * 7") == 42


def test_steps_of_a_change_are_shown(chip, trees, flash, monkeypatch):
    shown = []
    progress = console.progress

    @contextlib.contextmanager
    def watched(label, total, unit="bytes"):
        with progress(label, total, unit) as bar:
            yield bar
        shown.append((label, total, unit, bar.done))

    monkeypatch.setattr(console, "progress", watched)
    with EmulatedBoard(flash, chip) as board:
        deploy.deploy(board.name, trees["new"])
    (_, sent, _, done), (label, steps, unit, at) = shown
    assert done == sent > 0
    assert (label, unit) == ("Changing over", "steps") and at == steps > 10


# -- a tree on trial, as an update over the air leaves it


@pytest.mark.parametrize("confirmed", [True, False])
def test_tree_on_trial_goes_back_unless_confirmed(chip, trees, wanted, flash, confirmed):
    old = (trees["old"] / "main.py").read_bytes()
    new = old.replace(b"tree:", b"trial tree:")
    if confirmed:
        new += b"import os\ntry:\n os.remove('/.limpet/trial')\nexcept OSError: pass\n"
    with EmulatedBoard(flash, chip) as board:
        with Board(board.name) as there:
            for name, data in ("new", new), ("old", old), ("back", b"old /main.py\n"):
                there.write("/.limpet/" + name, data)
            there.replace("/.limpet/switch", b"new /main.py\nback /.limpet/trial\n")
        board.wait_for(b"trial tree:")
        time.sleep(0.1)
    for _ in range(2):
        assert (b"trial tree:" in boot(flash, chip)) == confirmed
    if not confirmed:
        assert {path: files(flash, chip)[path] for path in wanted["old"]} == wanted["old"]


# -- an image with a firmware in it


@pytest.fixture
def image(chip, trees, flash, monkeypatch):
    """A flash with nothing but an image that has the old tree frozen in it."""
    monkeypatch.setattr(boards, "FROZEN_PATH", IMAGE)
    flash.unlink()
    files = {path: data for path, data in manifest.build(trees["old"], "x64").items() if path.endswith(".mpy")}
    files["/firmware_build.py"] = manifest.frozen_module(trees["old"]).encode()
    with EmulatedBoard(flash, chip) as board, Board(board.name) as there:
        for path, data in files.items():
            there.replace(IMAGE + path, data)
    return flash


# What `recovery` does once it serves.
CONFIRMED = "\nimport os\nos.remove('/.limpet/trial')\nprint('it stays')\n"

PAGES = {"/firmware/site/www/index.html", "/firmware/site/www/index.html.gz"}


def own_files(flash, chip):
    return {path: value for path, value in files(flash, chip).items() if not path.startswith(IMAGE)}


def test_tree_that_is_frozen_into_the_image_is_not_sent(chip, trees, wanted, image, capfd):
    with EmulatedBoard(image, chip) as board:
        done = deploy.deploy(board.name, trees["old"])
        assert (done["form"], done["trial"]) == ("frozen", False)
        assert set(done["sent"]) == {"/boot.py", "/main.py"} | PAGES
        board.wait_for(printed("old"))
        assert deploy.deploy(board.name, trees["old"])["sent"] == []
    assert "its modules are not sent" in capfd.readouterr().err
    there = own_files(image, chip)
    assert there == {path: wanted["old"][path] for path in there} and set(there) == set(done["sent"])


def test_modules_go_from_a_board_whose_image_has_them(chip, trees, wanted, image, tmp_path, monkeypatch):
    tree = shutil.copytree(trees["old"], tmp_path / "tree")
    (tree / "main.py").write_text((tree / "main.py").read_text() + CONFIRMED)
    with EmulatedBoard(image, chip) as board:
        with monkeypatch.context() as patch:
            patch.setattr(manifest, "tree_hash", lambda root: "another")
            deploy.deploy(board.name, tree)
        board.wait_for(b"it stays")
        done = deploy.deploy(board.name, trees["old"])
        assert set(done["removed"]) == {path for path in wanted["old"] if path.endswith(".mpy")}
        board.wait_for(printed("old"))


@pytest.mark.parametrize("before", ["nothing", "pages"])
@pytest.mark.parametrize("end", ["confirmed", "cut", "broken"])
def test_another_tree_wins_over_the_image_and_goes_back_to_it(chip, trees, wanted, image, tmp_path, capfd, before, end):
    tree = shutil.copytree(trees["new"], tmp_path / "tree")
    if end != "cut":
        main = CONFIRMED if end == "confirmed" else "import nothing\n"
        (tree / "main.py").write_text((tree / "main.py").read_text() + main if end == "confirmed" else main)
    with EmulatedBoard(image, chip) as board:
        if before == "pages":
            deploy.deploy(board.name, trees["old"])
        there = own_files_of(board)
        if end == "broken":
            assert "gone back to the firmware of its image" in failure(board.name, tree)
        else:
            done = deploy.deploy(board.name, tree)
            assert done["form"] == "compiled" and done["trial"]
            assert done["image"]["tree"] == manifest.tree_hash(trees["old"])
            board.wait_for(b"it stays" if end == "confirmed" else printed("new"))
    assert "this tree is another" in capfd.readouterr().err
    output = boot(image, chip)
    if end == "confirmed":
        assert printed("new") in output
    elif before == "pages":
        assert printed("old") in output
        assert own_files(image, chip) == there
    elif end == "cut":
        # What was not there before stays, with the firmware of the image.
        assert b"tree: new old old old new new" in output
        assert set(own_files(image, chip)) == {"/boot.py", "/main.py"} | PAGES
    with EmulatedBoard(image, chip) as board:
        # And from there on.
        deploy.deploy(board.name, trees["old"])
        board.wait_for(printed("old"))
    assert set(own_files(image, chip)) == {"/boot.py", "/main.py"} | PAGES


def own_files_of(board):
    with Board(board.name) as there:
        paths = [path for path in there.walk("/") if path[-1] != "/" and not path.startswith((IMAGE, "/.limpet/"))]
        return there.hashes(paths)


def test_tree_that_follows_one_that_wins_is_not_on_trial(chip, trees, image, tmp_path):
    tree = shutil.copytree(trees["new"], tmp_path / "tree")
    (tree / "main.py").write_text((tree / "main.py").read_text() + CONFIRMED)
    with EmulatedBoard(image, chip) as board:
        assert deploy.deploy(board.name, tree)["trial"]
        board.wait_for(b"it stays")
        assert not deploy.deploy(board.name, trees["new"])["trial"]


def test_image_that_tells_no_version_is_another(chip, trees, image):
    with EmulatedBoard(image, chip) as board:
        with Board(board.name) as there:
            there.remove(f"{IMAGE}/firmware_build.py")
        done = deploy.deploy(board.name, trees["old"], dry_run=True)
    assert done["image"] == {"version": None, "tree": None} and done["form"] == "compiled"


# -- memory

KB = 1024


@pytest.mark.parametrize(
    "heaps, kb",
    [
        # A plain ESP32 with a stock image, at its prompt, then joined; FACTS of the emulated chip.
        ((2464, 54880 + 110592, 142628, 110592, False), 112),
        ((2592, 54752 + 94208, 96392, 94208, True), 112),
        # With an image of ours, before and behind boot.py's `divide`.
        ((2464, 63072 + 110592, 197760, 110592, False), 162),
        ((2464, 163552 + 20480, 49680, 20480, True), 162),
        ((5000, 4000000, 4200000, 4100000, True), 3911),
        ((5000, 60216), 63),
    ],
)
def test_python_has_what_wifi_does_not_need(heaps, kb):
    assert memory.python_bytes(memory.Heaps(*heaps)) // KB == kb


# What a chip has besides.
HEAPS = b"""
HEAP_DATA = 4
def idf_heap_info(which):
    return [(1, 100, 80, 7), (2, 200, 90, 8)] if which == HEAP_DATA else []
"""
RADIO = b"""
STA_IF = 0
class WLAN:
    def __init__(self, which): pass
    def active(self): return True
"""


@pytest.mark.parametrize("radio", [RADIO, None])
def test_board_is_asked_for_both_heaps(chip, tmp_path, radio):
    with EmulatedBoard(tmp_path / "flash", chip) as board, Board(board.name) as there:
        assert there.memory().used > 1000 and there.memory()[2:] == (None, None, False)
        there.write("/esp32.py", HEAPS)
        if radio:
            there.write("/network.py", radio)
        assert there.memory()[2:] == (300, 90, bool(radio))


def test_progress_moves_within_a_file(chip, tmp_path):
    moves = []
    with EmulatedBoard(tmp_path / "flash", chip) as board, Board(board.name) as there:
        there.write("/large", bytes(range(256)) * 80, moves.append)
    assert sum(moves) == 256 * 80 and max(moves) <= boards.CHUNK_BYTES and len(moves) == 5


def test_radio_and_system_have_what_boot_py_leaves_them():
    text = (ROOT / "boot.py").read_text()
    for name in ("RADIO_BYTES", "SYSTEM_BYTES"):
        assert f"_{name} = {getattr(memory, name) // KB} * 1024\n" in text


def test_tree_that_needs_more_than_there_is_is_refused_unless_told(chip, trees, wanted, flash, monkeypatch, capfd):
    monkeypatch.setattr(memory, "needed", lambda root, form: 84 * KB)
    monkeypatch.setattr(memory, "python_bytes", lambda heaps: 64 * KB)
    with EmulatedBoard(flash, chip) as board:
        output = failure(board.name, trees["new"])
        assert "64 KB for Python are too few: this tree needs 84" in output and "--force" in output
        assert "64 KB for Python, this tree needs 84." in capfd.readouterr().err
        board.wait_for(printed("old"))
        assert deploy.deploy(board.name, trees["new"], dry_run=True)["sent"]
        assert deploy.main(["--port", board.name, "--root", str(trees["new"]), "--force"]) == 0
    assert assert_whole(flash, chip, wanted) == "new"


def test_site_needs_less_when_frozen_and_an_unknown_tree_is_not_judged(trees):
    assert memory.needed(ROOT, "frozen") < memory.needed(ROOT, "compiled") == memory.needed(ROOT, "source")
    assert memory.needed(trees["old"], "compiled") is None


# -- what the server answers

LOW = json.dumps({"status": "unavailable", "reasons": {"memory": "low"}})
STATUS = json.dumps({"left_out": ["rate limit", "request ids"]})


@pytest.fixture
def serve():
    """A function that starts a server with these answers, {path: (status, body)}, and returns its address."""
    servers = []

    def start(answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = answers.get(self.path, (404, ""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args):
                pass

        servers.append(http.server.ThreadingHTTPServer((HOST, 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return "http://%s:%d/" % servers[-1].server_address

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "answers, reasons, left_out",
    [
        ({"/healthz": (200, "{}"), "/api/status": (200, STATUS)}, {}, ["rate limit", "request ids"]),
        ({"/healthz": (200, "{}"), "/api/status": (200, "{}")}, {}, []),
        ({"/healthz": (200, "{}")}, {}, []),
        ({"/healthz": (503, LOW)}, {"memory": "low"}, []),
        ({"/healthz": (500, "?")}, {"server": "500 Internal Server Error"}, []),
        ({}, {}, []),
    ],
)
def test_server_is_asked_for_its_health(serve, answers, reasons, left_out):
    assert health.ask(serve(answers)) == (True, reasons, left_out)


def start_with(chip, tmp_path, main):
    """Deploy a tree with this main.py to a board that knows a network; return what was done."""
    tree = make_tree(tmp_path / "tree", "old")
    (tree / "main.py").write_text(main)
    with EmulatedBoard(tmp_path / "flash", chip) as board:
        with Board(board.name) as there:
            there.replace("/data/config.json", b'{"networks": [{"ssid": "Barn"}]}')
        return deploy.deploy(board.name, tree)


def test_address_is_said_once_the_server_has_answered(chip, tmp_path, serve, capsys):
    address = serve({"/healthz": (503, LOW)})
    done = start_with(chip, tmp_path, f"print('http://0.0.0.0/')\nprint('limpet: joined Barn, {address}')\n")
    deploy.tell(done, False)
    said = capsys.readouterr().out
    assert f"The server answers: {address}\nIt is not well: memory: low.\n" in said


def test_console_is_said_where_nothing_answers(chip, tmp_path, monkeypatch, capsys):
    ask = health.ask
    monkeypatch.setattr(health, "ask", lambda address: ask(address, 0))
    address = f"http://{HOST}:{free_port()}/"
    main = f"print('http://0.0.0.0/')\nprint('a word of warning')\nprint('limpet: joined Barn, {address}')\n"
    done = start_with(chip, tmp_path, main)
    assert done["reachable"] is False
    deploy.tell(done, False)
    said = capsys.readouterr().out
    assert "does not answer" in said and "\n    a word of warning\n" in said and "server answers" not in said


# -- settings


SETTINGS = {"hostname": "barnacle", "networks": [{"ssid": "old", "password": "old password"}], "later": 1}


@pytest.mark.parametrize("before", [None, SETTINGS, "broken"])
def test_network_is_added_to_the_settings_on_the_board_only(chip, trees, flash, monkeypatch, capfd, before):
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    with EmulatedBoard(flash, chip) as board:
        if before:
            with Board(board.name) as there:
                there.write("/data/config.json", before.encode() if before == "broken" else json.dumps(before).encode())
        arguments = ["--port", board.name, "--root", str(trees["old"]), "--wifi", "Barn"]
        monkeypatch.setattr(deploy, "JOIN_TIMEOUT_S", 0.1)
        assert deploy.main(arguments) == 0
        with Board(board.name) as there:
            document = json.loads(there.read("/data/config.json"))
    network = {"ssid": "Barn", "password": "correct horse"}
    if before == SETTINGS:
        assert document == {**SETTINGS, "networks": [network, *SETTINGS["networks"]]}
    else:
        assert document == {"networks": [network]}
    said = capfd.readouterr()
    assert "horse" not in said.out + said.err


def test_password_of_the_network_comes_by_the_environment(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    for password, kept in (("correct horse", "correct horse"), ("", None)):
        monkeypatch.setenv("LIMPET_WIFI_PASSWORD", password)
        assert deploy.ask_network("Barn") == {"ssid": "Barn", "password": kept}


def test_without_a_terminal_no_network_is_taken_for_an_open_one(monkeypatch):
    monkeypatch.delenv("LIMPET_WIFI_PASSWORD", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(Failure, match=r"nobody to ask for the password of Barn: put it into \$LIMPET_WIFI_PASSWORD"):
        deploy.main(["--port", "/dev/null", "--wifi", "Barn"])


@pytest.mark.parametrize("password", ["short", "x" * 64])
def test_password_that_cannot_be_is_refused_before_anything(monkeypatch, password):
    monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
    with pytest.raises(Failure, match="Wi-Fi password") as raised:
        deploy.main(["--port", "/dev/null", "--wifi", "Barn"])
    assert password not in str(raised.value)


# -- the real thing

# A file system of 2 MB, as an ESP32 with 4 MB of flash has it.
BLOCKS = 512


def test_deployed_limpet_serves_its_pages_compressed_or_not(chip, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "LAPTOPS", ())  # an emulated board is a laptop, below
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "firmware", tree / "firmware", ignore=shutil.ignore_patterns("__pycache__"))
    for name in manifest.ROOT_FILES:
        shutil.copy(ROOT / name, tree)
    page = (tree / "firmware" / "site" / "www" / "index.html").read_bytes()
    port = free_port()
    with EmulatedBoard(tmp_path / "flash", chip, "--port", str(port), "--data", "/data", blocks=BLOCKS) as board:
        done = deploy.deploy(board.name, tree)
        assert (done["address"], done["reachable"]) == (f"http://{HOST}:{port}/", True)
        assert fetch(port, "/") == (200, None, page)
        status, coding, body = fetch(port, "/", {"Accept-Encoding": "gzip"})
        assert (status, coding, gzip.decompress(body)) == (200, "gzip", page)
        assert fetch(port, "/api/led")[0] == 200
        # Only what changed, and its compressed form.
        new = page.replace(b"</", b"<!-- new --></", 1)
        (tree / "firmware" / "site" / "www" / "index.html").write_bytes(new)
        done = deploy.deploy(board.name, tree)
        assert done["sent"] == ["/firmware/site/www/index.html", "/firmware/site/www/index.html.gz"]
        status, coding, body = fetch(port, "/", {"Accept-Encoding": "gzip"})
        assert (status, coding, gzip.decompress(body)) == (200, "gzip", new)


@pytest.fixture
def serving_tree(tmp_path, monkeypatch):
    """The real tree for an emulated board: a laptop below, which answers over its serial line as a board does."""
    monkeypatch.setattr(manifest, "LAPTOPS", ())
    # What is one module on a board has the hardware in it.
    monkeypatch.setattr(mpy, "BUNDLES", {})
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "firmware", tree / "firmware", ignore=shutil.ignore_patterns("__pycache__"))
    for name in manifest.ROOT_FILES:
        shutil.copy(ROOT / name, tree)
    hardware = (ROOT / "firmware" / "board" / "hardware.py").read_text()
    take_turn = hardware[hardware.index("def take_turn") : hardware.index("def run(")]
    keys = hardware[hardware.index("# By Ctrl-T") : hardware.index("_is_watched = False")]
    with open(tree / "firmware" / "board" / "sim.py", "a") as file:
        file.write(f"\n\nimport select\nfrom firmware.server import loader\n{keys}\n{take_turn}")
    main = (tree / "main.py").read_text()
    rooted = "from firmware.board import recovery\nrecovery.root = ''\n"
    (tree / "main.py").write_text(main.replace("\nimport sys\n", f"\nimport sys\n{rooted}", 1))
    assert rooted in (tree / "main.py").read_text()
    return tree


def test_deployment_that_changes_nothing_restarts_nothing(chip, tmp_path, serving_tree, capsys):
    port = free_port()
    with EmulatedBoard(tmp_path / "flash", chip, "--port", str(port), "--data", "/data", blocks=BLOCKS) as board:
        done = deploy.deploy(board.name, serving_tree)
        assert done["restarted"] and done["reachable"]
        lives = len(board.writes)
        with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=120)) as connection:
            connection.request("GET", "/api/led")
            assert connection.getresponse().read()
            for _ in range(2):
                again = deploy.deploy(board.name, serving_tree)
                assert (again["restarted"], again["sent"], again["removed"]) == (False, [], [])
            assert len(board.writes) == lives and b"KeyboardInterrupt" not in board.console
        assert fetch(port, "/api/led")[0] == 200
        deploy.tell(again, False)
        assert "nothing was sent, and the server goes on" in capsys.readouterr().out
        # Whatever is another is seen.
        page = serving_tree / "firmware" / "site" / "www" / "index.html"
        page.write_bytes(page.read_bytes() + b"\n")
        assert deploy.deploy(board.name, serving_tree)["sent"]
        assert len(board.writes) > lives
        with Board(board.name) as there:
            there.write("/firmware/site/www/index.html", b"damaged")
        board.console = b""
        board.wait_for(b"http://")
        assert "/firmware/site/www/index.html" in deploy.deploy(board.name, serving_tree)["sent"]


@contextlib.contextmanager
def line_that_answers(text):
    """A port whose board answers a question with this text."""
    master, slave = os.openpty()
    tty.setraw(slave)

    def answer():
        with contextlib.suppress(OSError):
            os.read(master, 100)
            os.write(master, text)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        thread.join(10)
        os.close(master)


ABOUT = b'limpet: asked {"machine": "x"}\r\n'
FOUND = b"/ /firmware\r\nGET /healthz 200\r\n" + b"0" * 64 + b" /main.py\r\n"


@pytest.mark.parametrize(
    "text, found",
    [
        (ABOUT + FOUND + b"limpet: answered\r\n", ({"machine": "x"}, {"/firmware": "/", "/main.py": "0" * 64})),
        (ABOUT + FOUND + b"limpet: asked in vain: MemoryError()\r\n", None),
        (b"limpet: asked {nonsense\r\nlimpet: answered\r\n>>> ", None),
        (b"\r\n>>> ", None),
        (b"", None),
    ],
)
def test_answer_of_a_board_that_serves_is_understood(monkeypatch, text, found):
    monkeypatch.setattr(boards, "ASK_S", 5 if found else 0.5)
    with line_that_answers(text) as name:
        assert boards.ask_serving(name) == found


def fetch(port, path, headers=None):
    """Return the status, the content coding and the body."""
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Encoding"), answer.read()
    finally:
        connection.close()
