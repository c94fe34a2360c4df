"""tools/deploy.py against an emulated board: what is sent, what stays, and what a pulled cable leaves.

Most use a small tree whose parts all know their version: main.py prints them, so that a mix shows.
"""

import gzip
import http.client
import io
import json
import os
import random
import shutil
import sys
import time
from types import SimpleNamespace

import pytest

from host_tests.conftest import interpreter_named
from host_tests.emulated.prompt import PROMPT
from host_tests.emulated_board import EmulatedBoard
from host_tests.servers import HOST, free_port
from tools import ROOT, deploy, manifest, mpy, ports
from tools.board import Board, RemoteError
from tools.console import Failure

# Without the second in which it waits for a hand at the keyboard.
BOOT = (ROOT / "boot.py").read_text().replace("_WINDOW_MS = 1000", "_WINDOW_MS = 0")

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


def test_firmware_that_is_frozen_into_the_image_is_not_sent(trees, wanted):
    files = manifest.build(trees["old"], "x64", "frozen")
    pages = {"/firmware/site/www/index.html", "/firmware/site/www/index.html.gz"}
    assert set(files) == {"/boot.py", "/main.py"} | pages
    # What was here goes, or it would be taken first.
    there = dict.fromkeys(manifest.Plan.ask(files, wanted["old"])) | wanted["old"]
    assert set(manifest.Plan(files, there, wanted["old"]).remove) == set(wanted["old"]) - set(files)


def test_image_without_a_firmware_is_said_before_anything_changes(chip, trees, flash):
    before = files(flash, chip)
    with EmulatedBoard(flash, chip) as board, pytest.raises(Failure, match="no firmware in it"):
        deploy.deploy(board.name, trees["old"], form="frozen")
    assert files(flash, chip) == before


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


@pytest.mark.parametrize("password", ["short", "x" * 64])
def test_password_that_cannot_be_is_refused_before_anything(monkeypatch, password):
    monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
    with pytest.raises(Failure, match="Wi-Fi password") as raised:
        deploy.main(["--port", "/dev/null", "--wifi", "Barn"])
    assert password not in str(raised.value)


# -- the real thing


def test_deployed_limpet_serves_its_pages_compressed_or_not(chip, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "firmware", tree / "firmware", ignore=shutil.ignore_patterns("__pycache__"))
    for name in manifest.ROOT_FILES:
        shutil.copy(ROOT / name, tree)
    page = (tree / "firmware" / "site" / "www" / "index.html").read_bytes()
    port = free_port()
    with EmulatedBoard(tmp_path / "flash", chip, "--port", str(port), "--data", "/data") as board:
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


def fetch(port, path, headers=None):
    """Return the status, the content coding and the body."""
    connection = http.client.HTTPConnection(HOST, port, timeout=15)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Encoding"), answer.read()
    finally:
        connection.close()
