"""Updates over the air: the real client, server, boot.py and file system, and what goes wrong at each step.

A board ends with the old tree or the new one, whole, and comes back by itself.
"""

import base64
import contextlib
import functools
import hashlib
import io
import json
import re
import select
import shutil
import socket
import tarfile
import threading
import time
import urllib.parse
import urllib.request

import httpx
import pytest
from playwright.sync_api import expect

from firmware import VERSION
from host_tests import air_board
from host_tests.air_board import ChipBoard, FolderBoard
from host_tests.conftest import interpreter_named
from host_tests.servers import HOST, cpython, read_response
from tools import ROOT, deploy, manifest, mpy, push, signing, update
from tools import board as boards
from tools.__main__ import main as tools_main
from tools.console import Failure

PASSWORD = "correct horse"
PAGE = "firmware/site/www/index.html"


@pytest.fixture(scope="module", autouse=True)
def compiled_once():
    """Most files are the same in all trees: compile them once, by their content."""
    with pytest.MonkeyPatch.context() as patch:
        compile_file, known = mpy.compile_file, {}

        def cached(source, target, arch, name=None, text=None, *optimisation):
            key = (text or source.read_bytes(), arch, name, optimisation)
            if key not in known:
                known[key] = compile_file(source, target, arch, name, text, *optimisation).read_bytes()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(known[key])
            return target

        patch.setattr(mpy, "compile_file", cached)
        # These boards are laptops, below.
        patch.setattr(manifest, "LAPTOPS", ())
        # What is one module on a board has the hardware in it.
        patch.setattr(mpy, "BUNDLES", {})
        yield


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(update, "POLL_EVERY_S", 0.05)
    for name in ("LIMPET_TOKEN", "LIMPET_PASSWORD", "LIMPET_UPDATE_KEY"):
        monkeypatch.delenv(name, raising=False)


def make(folder, **options):
    return air_board.make_tree(folder, **options)


def renew(tree):
    """Make a new tree of the old one: some files changed, one and its folder gone, one and its folder there."""
    for name in ("boot.py", "main.py", "firmware/site/pins.py"):
        (tree / name).write_text((tree / name).read_text() + "\n# new\nNEW = 1\n")
    (tree / PAGE).write_text("<!doctype html><title>new</title>" + "<p>A new page.</p>" * 100)
    shutil.rmtree(tree / "firmware" / "old")
    (tree / "firmware" / "new").mkdir()
    (tree / "firmware" / "new" / "part.py").write_text("NEW = 2\n")
    return tree


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """The old tree, the new one, and one that stays on trial: {name: folder}."""
    made = {}
    for name, options in (("old", {}), ("new", {}), ("slow", {"finished_ms": 60000})):
        made[name] = make(tmp_path_factory.mktemp(name) / "tree", **options)
        (made[name] / "firmware" / "old").mkdir()
        (made[name] / "firmware" / "old" / "part.py").write_text("OLD = 1\n")
    renew(made["new"])
    renew(made["slow"])
    return made


class Kind:
    """A kind of board, with the old tree on it: `start()` powers it on; `arch`: what it is compiled for, None: not."""

    def __init__(self, start, arch):
        self.start = start
        self.arch = arch
        self.source = arch is None
        self.form = "source" if self.source else "compiled"

    def build(self, tree):
        """Return what a board with this tree has, {path: hash}."""
        return {path: manifest.sha256(data) for path, data in manifest.build(tree, self.arch, self.form).items()}

    def deploy(self, board, tree, **options):
        return update.deploy(board.url, tree, form=self.form, **options)


@pytest.fixture(scope="module")
def old_flash(trees, tmp_path_factory):
    """Return where both kinds of flash are, with the old tree as a deployment over the cable leaves it."""
    folder = tmp_path_factory.mktemp("boards")
    shutil.copytree(trees["old"], folder / "folder")
    files = manifest.build(trees["old"], None, "source")
    for path, data in files.items():
        (folder / "folder" / path[1:]).write_bytes(data)
    lines = "".join(f"{manifest.sha256(data)} {path}\n" for path, data in sorted(files.items()))
    (folder / "folder" / ".limpet").mkdir()
    (folder / "folder" / ".limpet" / "manifest").write_text(lines)
    with ChipBoard(folder / "flash", interpreter_named("amd64")) as board:
        deploy.deploy(board.name, trees["old"])
    return folder


@pytest.fixture(params=["cpython", "amd64"])
def kind(request, old_flash, tmp_path):
    """Each kind of board."""
    if request.param == "cpython":
        folder = shutil.copytree(old_flash / "folder", tmp_path / "board")
        return Kind(functools.partial(FolderBoard, folder), None)
    flash = shutil.copy(old_flash / "flash", tmp_path / "flash")
    return Kind(functools.partial(ChipBoard, flash, interpreter_named("amd64")), "x64")


def files(board):
    """Return {path: hash} of what is there, and the names in the staging folder."""
    there, staged = {}, set()
    for line in board.wait("api/update/files").decode().splitlines():
        digest, path = line.split(" ", 1)
        if path.startswith("/.limpet/"):
            staged.add(path[9:])
        elif digest != "/":
            there[path] = digest
    return there, staged


def which(kind, board, trees):
    """Return which tree a board has, every file of it; AssertionError for a mix."""
    there, _ = files(board)
    for name, tree in trees.items():
        if there == kind.build(tree):
            return name
    wanted = {name: kind.build(tree) for name, tree in trees.items()}
    mixed = {name: set(there.items()) ^ set(tree.items()) for name, tree in wanted.items()}
    raise AssertionError(f"{mixed}\n{board.output()}")


def state(board):
    return json.loads(board.wait("api/update"))["state"]


def wait_until_kept(board):
    deadline = air_board.time.monotonic() + air_board.WAIT_S
    while state(board):
        assert air_board.time.monotonic() < deadline, board.output()
        air_board.time.sleep(0.02)


def failure(function, *args, **options):
    """Return the one line with which something fails."""
    with pytest.raises(Failure) as raised:
        function(*args, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# -- what is sent


def test_new_tree_is_there_and_stays(kind, trees):
    with kind.start() as board:
        board.wait()
        done = kind.deploy(board, trees["new"])
        assert "/boot.py" in done["sent"]  # where the machine is slow, the trial is over by now
        assert any(path.startswith("/firmware/old/part") for path in done["removed"])
        assert board.wait("index.html").startswith(b"<!doctype html><title>new")
        wait_until_kept(board)
        assert files(board)[1] == {"manifest"}
        assert which(kind, board, trees) == "new"
        lives = board.lives
    with kind.start() as board:
        assert which(kind, board, trees) == "new"
        assert lives == 2
        names = {line.split(" ", 1)[1] for line in board.wait("api/update/files").decode().splitlines()}
        assert "/firmware/new" in names and "/firmware/old" not in names


def test_one_file_is_sent_alone_and_a_second_time_nothing(kind, trees, tmp_path):
    tree = shutil.copytree(trees["old"], tmp_path / "tree")
    (tree / "main.py").write_text((tree / "main.py").read_text() + "\n# one more\n")
    with kind.start() as board:
        board.wait()
        assert kind.deploy(board, tree, dry_run=True)["sent"] == ["/main.py"]
        assert which(kind, board, trees) == "old"
        assert kind.deploy(board, tree)["sent"] == ["/main.py"]
        wait_until_kept(board)
        before = board.wait("api/update")
        done = kind.deploy(board, tree)
        assert (done["sent"], done["removed"], done["sent_bytes"]) == ([], [], 0)
        assert json.loads(board.wait("api/update"))["run"] == json.loads(before)["run"]


@pytest.mark.parametrize("kind", ["cpython"], indirect=True)
def test_progress_moves_within_a_file(kind, trees):
    moves = []
    with kind.start() as board:
        board.wait()
        update.Client(board.url).stage(16 * "0", bytes(5000), moves.append)
    assert moves == [2048, 4096, 5000]


def test_everything_is_sent_where_all_has_changed(kind, trees, tmp_path):
    tree = shutil.copytree(trees["new"], tmp_path / "tree")
    for file in tree.rglob("*.py"):
        file.write_text("\n" + file.read_text() + "\nMORE = 1\n")
    with kind.start() as board:
        board.wait()
        done = kind.deploy(board, tree)
        assert len(done["sent"]) == done["files"]
        wait_until_kept(board)
        assert which(kind, board, {"all": tree}) == "all"


def test_command_tells_and_fails_in_one_line(kind, trees, capfd):
    words = ["deploy", "--root", str(trees["new"]), *(["--source"] if kind.source else [])]
    with kind.start() as board:
        board.wait()
        assert tools_main([*words, "--host", board.url, "--dry-run"]) == 0
        assert "send    /boot.py" in capfd.readouterr().out
        assert tools_main([*words, "--host", board.url, "--json"]) == 0
        done = json.loads(capfd.readouterr().out)
        assert done["host"] == board.url and type(done["trial"]) is bool
        wait_until_kept(board)
        assert tools_main([*words, "--host", board.url.rstrip("/")]) == 0
        assert "nothing was sent" in capfd.readouterr().out
    assert tools_main([*words, "--host", board.url]) == 1
    said = capfd.readouterr().err
    assert re.fullmatch(r"deploy: The board at \S+ cannot be reached: [^\n]*\n", said)


@pytest.mark.parametrize("words", [["--port", "/dev/null"], ["--wifi", "Barn"]])
def test_cable_and_air_together_are_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as end:
        deploy.main(["--host", "http://limpet.local", *words])
    assert end.value.code == 2


@pytest.mark.parametrize(
    "words",
    [["--dry-run", "--chip", "ESP32"], ["--wifi", "home", "--chip", "ESP32"], ["--host", "x", "--chip", "ESP32"], []],
)
def test_file_for_the_page_is_not_written_beside_what_it_cannot_have(words, tmp_path):
    with pytest.raises(SystemExit) as end:
        deploy.main(["--to", str(tmp_path / "update.tar"), *words])
    assert end.value.code == 2 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "address", ["ftp://limpet.local", "http://", "http://limpet.local:x", "http://a:b@limpet.local"]
)
def test_address_that_is_none_is_one_line(address):
    failure(update.Client, address)


# -- an image with a firmware in it


def tell_image(monkeypatch, frozen, python_bytes=None):
    """Have boards say that this is frozen into their images, and that Python has so much."""
    info = update.Client.info

    def told(client):
        return {**info(client), "frozen": frozen, "python_bytes": python_bytes}

    monkeypatch.setattr(update.Client, "info", told)


@pytest.mark.parametrize("kind", ["amd64"], indirect=True)
def test_tree_that_is_frozen_into_the_image_is_not_sent(kind, trees, monkeypatch, capfd):
    tell_image(monkeypatch, {"version": "1.2.3", "tree": manifest.tree_hash(trees["new"])})
    with kind.start() as board:
        board.wait()
        done = kind.deploy(board, trees["new"], dry_run=True)
        assert done["form"] == "frozen"
        assert {path for path in done["sent"] if path.endswith((".py", ".mpy"))} == {"/boot.py", "/main.py"}
        assert "/firmware/__init__.mpy" in done["removed"]
        assert "(Limpet 1.2.3): its modules are not sent" in capfd.readouterr().err
        done = kind.deploy(board, trees["old"], dry_run=True)
        assert (done["form"], done["sent"]) == ("compiled", [])
        assert "has Limpet 1.2.3 frozen in it, this tree is another" in capfd.readouterr().err


def test_tree_that_needs_more_than_there_is_is_refused_unless_told(kind, trees, monkeypatch):
    tell_image(monkeypatch, None, 64 * 1024)
    with kind.start() as board:
        board.wait()
        assert "64 KB for Python are too few" in failure(kind.deploy, board, trees["new"])
        assert which(kind, board, trees) == "old"
        kind.deploy(board, trees["new"], force=True)
        assert which(kind, board, trees) == "new"


def test_board_tells_what_its_image_has(kind, trees, tmp_path):
    with kind.start() as board:
        told = json.loads(board.wait("api/update"))
        assert told["frozen"] is None
        assert (told["python_bytes"] or 1 << 20) > 1000000


def test_image_is_told_by_its_module(interpreter, tmp_path):
    (tmp_path / "firmware_build.py").write_text(manifest.frozen_module(air_board.ROOT))
    code = f"""
import sys
sys.path.append({str(tmp_path)!r})
from firmware.board import update
print(update.frozen()["version"], update.frozen()["tree"])
"""
    told = interpreter.run("-c", code).stdout.split()
    assert told == [VERSION, manifest.tree_hash(air_board.ROOT)]


def with_image(tree, folder, image):
    """Copy a tree for a board where the folder `image` stands for what is frozen into its image."""
    made = shutil.copytree(tree, folder)
    air_board.change(made / "boot.py", '".frozen"', repr(image))
    return made


def test_tree_wins_over_the_image_and_goes_back_to_it_when_the_power_goes(trees, tmp_path, monkeypatch):
    image, flash, chip = "/image", tmp_path / "flash", interpreter_named("amd64")
    monkeypatch.setattr(boards, "FROZEN_PATH", image)
    old, slow = (with_image(trees[name], tmp_path / name, image) for name in ("old", "slow"))
    frozen = {path: data for path, data in manifest.build(old, "x64").items() if path.endswith(".mpy")}
    frozen["/firmware_build.py"] = manifest.frozen_module(old).encode()
    with ChipBoard(flash, chip) as board:
        with boards.Board(board.name) as there:
            for path, data in frozen.items():
                there.replace(image + path, data)
        assert deploy.deploy(board.name, old)["form"] == "frozen"
        assert json.loads(board.wait("api/update"))["frozen"]["tree"] == manifest.tree_hash(old)
        started = {path for path in files(board)[0] if not path.startswith(image)}
        assert {"/boot.py", "/main.py"} < started and not [path for path in started if path.endswith(".mpy")]
        done = update.deploy(board.url, old)
        assert (done["form"], done["sent"], done["removed"]) == ("frozen", [], [])
        done = update.deploy(board.url, slow)
        assert done["form"] == "compiled" and done["trial"]
        assert "/firmware/__init__.mpy" in files(board)[0]
    with ChipBoard(flash, chip) as board:
        assert {path for path in files(board)[0] if not path.startswith(image)} == started
        assert json.loads(board.wait("api/update"))["frozen"]["tree"] == manifest.tree_hash(old)


# -- trees that do not come up


def test_tree_on_trial_goes_back_when_the_power_goes(kind, trees):
    with kind.start() as board:
        board.wait()
        assert kind.deploy(board, trees["slow"])["trial"]
        assert which(kind, board, trees) == "slow"
        assert state(board) == "trial"
        again = failure(kind.deploy, board, trees["old"])
        assert "on trial" in again and "Nothing has changed" in again
    for _ in range(2):
        with kind.start() as board:
            assert which(kind, board, trees) == "old"
            assert files(board)[1] == {"manifest"}
            assert b"old" in board.wait("index.html")


BROKEN = {
    "hangs": ("main.py", "while True:\n    pass\n"),
    "raises": ("main.py", "raise ValueError\n"),
    "exits": ("main.py", "import sys\nsys.exit()\n"),
    "has no site": ("firmware/site/guards.py", "raise ImportError('broken')\n"),
    "has no count": ("firmware/board/recovery.py", "raise ImportError('broken')\n"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_tree_that_does_not_come_up_goes_back(kind, trees, tmp_path, monkeypatch, broken):
    monkeypatch.setenv("TRIAL_MS", "1000")
    tree = make(tmp_path / "tree")
    name, text = BROKEN[broken]
    (tree / name).write_text(text)
    with kind.start() as board:
        board.wait()
        assert "gone back to the old" in failure(kind.deploy, board, tree)
        assert which(kind, board, trees) == "old"
        assert state(board) is None


def test_tree_with_a_syntax_error_goes_back_or_is_refused(kind, trees, tmp_path, monkeypatch):
    monkeypatch.setenv("TRIAL_MS", "1000")
    tree = make(tmp_path / "tree")
    (tree / "firmware" / "server" / "app.py").write_text("if:\n")
    with kind.start() as board:
        board.wait()
        # Compiled, it does not even leave the laptop.
        assert ("gone back" if kind.source else "app.py") in failure(kind.deploy, board, tree)
        for name in ("boot.py", "main.py"):
            bad = shutil.copytree(trees["new"], tmp_path / name)
            (bad / name).write_text((bad / name).read_text() + "\nif:\n")
            output = failure(kind.deploy, board, bad)
            assert name in output and "Nothing has changed" in output
        assert which(kind, board, trees) == "old"


def test_tree_that_nobody_reaches_goes_back(kind, trees, tmp_path, monkeypatch):
    monkeypatch.setenv("TRIAL_MS", "1000")
    tree = make(tmp_path / "tree", finished_ms=10)
    (tree / "main.py").write_text((tree / "main.py").read_text() + "\n# new\n")
    monkeypatch.setattr(update, "wait", lambda *args: {"state": None})
    with kind.start() as board:
        board.wait()
        kind.deploy(board, tree)
        board.wait_for_lives(3)
        assert which(kind, board, trees) == "old"


def test_tree_that_is_polled_but_not_reached_goes_back(kind, trees, tmp_path, monkeypatch):
    """A monitor's requests are answered, but nobody can deploy."""
    monkeypatch.setenv("TRIAL_MS", "3000")
    tree = make(tmp_path / "tree", finished_ms=10)
    (tree / "main.py").write_text((tree / "main.py").read_text() + "\n# new\n")
    answers = []

    def poll(client, plan, run):
        while len(answers) < 5:
            with contextlib.suppress(OSError):
                answers.append(urllib.request.urlopen(board.url + "healthz", timeout=5).status)
        return {"state": None}

    monkeypatch.setattr(update, "wait", poll)
    with kind.start() as board:
        board.wait()
        kind.deploy(board, tree)
        assert answers == [200] * 5
        board.wait_for_lives(3)
        assert which(kind, board, trees) == "old"


# -- what goes wrong on the way


class CuttingProxy:
    """Passes requests on, and cuts the line once: at the request of this number, or with this method.

    `where`: before it, in its middle, or behind it, before its answer.
    """

    def __init__(self, port, cut_at, where):
        self._port = port
        self._cut_at = cut_at
        self._where = where
        self._requests = 0
        self._listener = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(air_board.WAIT_S)

    def _run(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                self._serve(client)

    def _serve(self, client):
        with socket.create_connection((HOST, self._port), timeout=120) as board, client.makefile("rb") as stream:
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = stream.readline()
                    if not line:
                        return
                    head += line
                length = re.search(rb"(?i)content-length: (\d+)", head)
                request = head + stream.read(int(length.group(1)) if length else 0)
                is_cut = self._cut_at in (self._requests, head.split()[0])
                self._requests += 1
                if is_cut:
                    board.sendall(request[: {"before": 0, "middle": len(request) - 1, "behind": None}[self._where]])
                    if self._where == "behind":
                        board.recv(1)  # it is there by now
                    return
                board.sendall(request)
                self._answer(board, client)

    def _answer(self, board, client):
        """Pass on one answer; all of them tell their length or come in chunks."""
        with board.makefile("rb", buffering=0) as stream:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = stream.read(1)
                if not byte:
                    return
                head += byte
            client.sendall(head)
            length = re.search(rb"(?i)content-length: (\d+)", head)
            left = int(length.group(1)) if length else 0
            while left:
                data = stream.read(left)
                client.sendall(data)
                left -= len(data)
            if b"chunked" in head.lower():
                data = b""
                while not data.endswith(b"0\r\n\r\n"):
                    data += stream.read(1)
                client.sendall(data)


@pytest.mark.parametrize("where", ["before", "middle", "behind"])
def test_connection_cut_at_any_request_leaves_a_whole_tree(kind, trees, where):
    with kind.start() as board:
        board.wait()
        for cut_at in (0, 1, 3, b"POST"):
            with CuttingProxy(board.port, cut_at, where) as proxy:
                failure(update.deploy, proxy.url, trees["new"], form=kind.form)
            if cut_at != b"POST" or where != "behind":
                assert which(kind, board, trees) == "old"
                assert board.lives == 1
        if where == "behind":
            # Only the answer to the change was lost.
            board.wait_for_lives(2)
        else:
            kind.deploy(board, trees["new"])
        wait_until_kept(board)
        assert which(kind, board, trees) == "new"


@pytest.mark.parametrize("kind", ["cpython"], indirect=True)
def test_connection_that_the_board_has_closed_is_opened_anew(kind, trees, monkeypatch):
    """As while somebody types the password: the board closes an idle connection after some seconds."""
    switch = update.switch

    def idle_then_switch(client, plan):
        assert select.select([client._connection.sock], [], [], air_board.WAIT_S)[0]
        switch(client, plan)

    monkeypatch.setattr(update, "switch", idle_then_switch)
    with kind.start() as board:
        board.wait()
        kind.deploy(board, trees["new"])
        assert which(kind, board, trees) == "new"


def put(client, path, data, digest=None):
    digest = base64.b64encode(digest or hashlib.sha256(data).digest()).decode()
    return client.put(f"update/files/{path}", content=data, headers={"Content-Digest": f"sha-256=:{digest}:"})


def test_what_is_wrong_is_refused_and_changes_nothing(kind, trees):
    name = "0123456789abcdef"
    with kind.start() as board, httpx.Client(base_url=board.url + "api/", timeout=120) as client:
        board.wait()
        assert put(client, name, b"abc", bytes(32)).status_code == 422
        for digest in (None, "sha-256=abc", "sha-256=:YWJj:", "md5=:YWJj:"):
            headers = {"Content-Digest": digest} if digest else {}
            assert client.put(f"update/files/{name}", content=b"abc", headers=headers).status_code == 400
        for bad in ("switch", "trial", "manifest", "0123", name.upper(), "..%2f..%2fboot.py", "~" + name[1:]):
            assert put(client, bad, b"abc").status_code in (400, 404), bad
        assert files(board)[1] == {"manifest"}
        for document in ([], {}, {"manifest": 1}, {"manifest": "switch"}, {"manifest": 64 * "G"}):
            assert client.post("update", json=document).status_code == 422
        assert client.post("update", json={"manifest": 64 * "0"}).status_code == 409
        tree = kind.build(trees["old"])
        lines = [f"{digest} {path}\n" for path, digest in sorted(tree.items())]
        for text, status in (
            ("nonsense", 422),
            ("".join(reversed(lines)), 422),
            ("".join(lines) + f"{64 * '0'} /../etc\n", 422),
            (f"{64 * '0'} /.limpet/switch\n" + "".join(lines), 422),
            ("".join(lines)[:-1], 422),
            ("".join(line for line in lines if "/main.py" not in line), 422),
            (64 * "0" + " /" + 1000 * "x" + "\n", 422),
            ("".join(lines) + f"{64 * '0'} /missing\n", 409),
            ("".join(lines) + f"{64 * '0'} /zfirmware\n", 409),
        ):
            digest = manifest.sha256(text.encode())
            assert put(client, manifest.staged_name(manifest.MANIFEST, digest), text.encode()).status_code == 204
            answer = client.post("update", json={"manifest": digest})
            assert (answer.status_code, "error" in answer.json()) == (status, True), (text[-100:], answer.text)
        assert client.delete("update").status_code == 204
        assert files(board)[1] == {"manifest"}
        assert which(kind, board, trees) == "old"
        assert board.lives == 1


def test_file_that_is_missing_or_damaged_at_the_commit_changes_nothing(kind, trees, monkeypatch):
    stage = update.Client.stage

    def lose(self, name, data, told):
        if name != update.manifest.staged_name("/main.py", manifest.sha256(data)):
            stage(self, name, data, told)

    def damage(self, name, data, told):
        stage(self, name, b"x" + data, told)

    with kind.start() as board:
        board.wait()
        for wrong in (lose, damage):
            monkeypatch.setattr(update.Client, "stage", wrong)
            output = failure(kind.deploy, board, trees["new"])
            assert "not there" in output and "Nothing has changed" in output
        assert which(kind, board, trees) == "old"
        assert not [name for name in files(board)[1] if name[0] == "~"]
        # What arrived whole is not sent again; what did not is.
        monkeypatch.setattr(update.Client, "stage", stage)
        kind.deploy(board, trees["new"])
        assert which(kind, board, trees) == "new"


def test_upload_that_ends_behind_the_verification_changes_nothing(kind, trees, monkeypatch):
    json_of = update.Client.json
    main = manifest.build(trees["new"], kind.arch, kind.form)["/main.py"]
    statuses = []

    def interpose(self, method, path, document=None):
        if method != "POST":
            return json_of(self, method, path, document)
        other = b"print('another')\n"
        name = manifest.staged_name("/main.py", manifest.sha256(main))
        digest = base64.b64encode(hashlib.sha256(other).digest()).decode()
        head = f"PUT /api/update/files/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Digest: sha-256=:{digest}:\r\n"
        late = socket.create_connection((HOST, urllib.parse.urlsplit(board.url).port), 20)
        late.sendall(f"{head}Content-Length: {len(other)}\r\n\r\n".encode() + other[:5])
        answer = json_of(self, method, path, document)
        late.sendall(other[5:])
        statuses.append(read_response(late).status)
        late.close()
        return answer

    monkeypatch.setattr(update.Client, "json", interpose)
    with kind.start() as board:
        board.wait()
        kind.deploy(board, trees["new"])
        assert statuses == [409]
        assert which(kind, board, trees) == "new"


@pytest.mark.parametrize("kind", ["amd64"], indirect=True)
@pytest.mark.parametrize("full", ["estimate", "staging", "keeping"])
def test_full_file_system_is_one_line_and_the_old_tree_stays(kind, trees, monkeypatch, full):
    switch = update.switch

    def fill(leave):
        with httpx.Client(base_url=board.url + "files/", timeout=120) as client:
            for size in (65536, 4096, 100):
                n = 0
                while n < 500 and client.put(f"{size}-{n}", content=bytes(size)).status_code != 507:
                    n += 1
            for n in range(leave):
                client.delete(f"4096-{n}")

    def fill_then_switch(client, plan):
        fill(1)
        switch(client, plan)

    with kind.start() as board:
        board.wait()
        if full != "estimate":
            monkeypatch.setattr(manifest, "RESERVE_BYTES", -(10**6))
        if full == "keeping":
            monkeypatch.setattr(update, "switch", fill_then_switch)
        else:
            fill(0)
        output = failure(kind.deploy, board, trees["new"])
        assert "room" in output and "Nothing has changed" in output
        assert which(kind, board, trees) == "old"
        assert not [name for name in files(board)[1] if name[0] == "~"]
    with kind.start() as board:
        assert which(kind, board, trees) == "old"


def changes(kind, trees):
    """Return how many writes to the flash an update takes, before the change and then; it is gone behind that."""
    with kind.start() as board:
        board.wait()
        kind.deploy(board, trees["slow"])
        writes = board.writes[:2]
    with kind.start() as board:
        assert which(kind, board, trees) == "old"
    return writes


def cut_update(kind, trees, cut):
    """Have the power go in an update; return which tree the board has then."""
    with kind.start(cut_after=cut) as board:
        board.wait()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(update, "wait", lambda *args: wait_for_end(board))
            with contextlib.suppress(Failure):
                kind.deploy(board, trees["slow"])
    with kind.start() as board:
        found = which(kind, board, trees)
    if found == "slow":
        # It was never kept.
        with kind.start() as board:
            assert which(kind, board, trees) == "old"
    return found


def wait_for_end(board):
    """Wait until the power has gone, or a change is over."""
    while board.is_powered and (board.lives < 2 or not is_there(board)):
        air_board.time.sleep(0.05)
    return {"state": None}


def is_there(board):
    try:
        return bool(httpx.get(board.url + "api/status", timeout=5))
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("kind", ["amd64"], indirect=True)
def test_power_gone_at_any_write_leaves_a_whole_tree(kind, trees):
    staging, switching = changes(kind, trees)
    # Before the journal's appearance, and in it; then all that boot.py does.
    cuts = [(0, staging - n) for n in (3, 1)]
    cuts += [(1, n) for n in range(0, switching, -(-switching // 3))]
    assert {cut_update(kind, trees, cut) for cut in cuts} == {"old", "slow"}


@pytest.mark.parametrize("kind", ["amd64"], indirect=True)
def test_power_gone_on_the_way_back_leaves_the_old_tree(kind, trees):
    with kind.start() as board:
        board.wait()
        kind.deploy(board, trees["slow"])
    for n in (0, 2, 5, 9):
        # Each time it comes a bit further.
        with kind.start(cut_after=(0, n)) as board:
            board.join(air_board.WAIT_S)
    with kind.start() as board:
        assert which(kind, board, trees) == "old"
        assert files(board)[1] == {"manifest"}


@pytest.mark.parametrize("kind", ["cpython"], indirect=True)
def test_power_gone_at_any_change_leaves_a_whole_tree(kind, trees):
    assert {cut_update(kind, trees, (1, n)) for n in (0, 1, 17)} == {"old", "slow"}


# -- who may


def test_administrators_alone_may_update(kind, trees, monkeypatch):
    with kind.start() as board:
        board.wait()
        api = httpx.Client(base_url=board.url + "api/", timeout=120)
        assert api.put("password", json={"new": PASSWORD}).status_code == 200
        api.cookies.clear()
        api.auth = ("admin", PASSWORD)
        tokens = {role: api.post("tokens", json={"name": role, "role": role}).json()["token"] for role in ROLES}
        api.close()
        monkeypatch.setattr("sys.stdin", io.StringIO())
        assert "LIMPET_PASSWORD" in failure(kind.deploy, board, trees["new"])
        monkeypatch.setenv("LIMPET_PASSWORD", "wrong horse")
        assert "password is wrong" in failure(kind.deploy, board, trees["new"])
        for role in ("read", "write"):
            monkeypatch.setenv("LIMPET_TOKEN", tokens[role])
            assert "may not do this" in failure(kind.deploy, board, trees["new"])
        monkeypatch.setenv("LIMPET_TOKEN", "limpet_0")
        assert "token is not valid" in failure(kind.deploy, board, trees["new"])
        assert board.lives == 1
        monkeypatch.setenv("LIMPET_TOKEN", tokens["admin"])
        assert "/boot.py" in kind.deploy(board, trees["new"])["sent"]
        monkeypatch.delenv("LIMPET_TOKEN")
        monkeypatch.setenv("LIMPET_PASSWORD", PASSWORD)
        assert kind.deploy(board, trees["new"])["sent"] == []
        # Asked for, where there is somebody to ask.
        monkeypatch.delenv("LIMPET_PASSWORD")
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)
        assert kind.deploy(board, trees["new"])["sent"] == []


ROLES = ("read", "write", "admin")


def test_network_may_not_while_there_is_no_password(kind, trees, monkeypatch):
    connection = update.http.client.HTTPConnection

    class Elsewhere(connection):
        """From another address than the machine's own."""

        def __init__(self, *args, **options):
            super().__init__(*args, source_address=("127.0.0.2", 0), **options)

    with kind.start() as board:
        board.wait()
        monkeypatch.setattr(update.http.client, "HTTPConnection", Elsewhere)
        assert "closed to the network" in failure(kind.deploy, board, trees["new"])
        monkeypatch.setattr(update.http.client, "HTTPConnection", connection)
        assert which(kind, board, trees) == "old"


def test_tree_of_a_laptop_is_not_updated(interpreter):
    code = """
from firmware.http.errors import HTTPError
from firmware.site import update
try:
    update.guard(None)
except HTTPError as error:
    print(error.status)
"""
    assert interpreter.run("-c", code).stdout == "404\n"


def test_trial_is_judged_when_its_time_is_up(tmp_path):
    """The function that boot.py's timer calls, without a timer."""
    home = tmp_path / ".limpet"
    home.mkdir()
    boot = (air_board.ROOT / "boot.py").read_text().replace('"/.limpet/"', repr(f"{home}/"))
    boot = boot.partition("\n# main.py shares these names")[0]
    code = f"""
import sys, types
machine = types.ModuleType("machine")
machine.SOFT_RESET = machine.reset_cause = None
machine.reset = lambda: print("reset")
sys.modules["machine"] = machine
exec({boot!r}, globals())
import os
for names in ((), ("trial",)):
    for name in names:
        open({str(home)!r} + "/" + name, "w").close()
    print("judged")
    _judge(None)
"""
    output = cpython().run("-c", code).stdout
    assert output.endswith("judged\njudged\nreset\n")


# -- the owner's signature


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """Return the folder that `cert --update` has made."""
    folder = tmp_path_factory.mktemp("key")
    assert tools_main(["cert", "--update", "--out", str(folder)]) == 0
    return folder


def tell_key(board, key):
    """Bring the public key to a board, over the cable where it has one."""
    if isinstance(board, ChipBoard):
        push.push(board.name, key / "board")
    else:
        shutil.copy(key / signing.PUBLIC, board.folder / "data" / "update.pub")


def test_board_that_knows_its_owner_takes_what_is_signed_alone(kind, trees, key, monkeypatch, tmp_path):
    with kind.start() as board:
        board.wait()
        tell_key(board, key)
        board.wait()
        monkeypatch.setattr(signing, "FOLDER", str(tmp_path))
        assert "signed updates alone" in failure(kind.deploy, board, trees["new"])
        other = tmp_path / "other.pem"
        other.write_bytes(signing.make()[signing.KEY])
        monkeypatch.setenv("LIMPET_UPDATE_KEY", str(other))
        assert "what its owner has signed" in failure(kind.deploy, board, trees["new"])
        assert which(kind, board, trees) == "old"
        monkeypatch.setenv("LIMPET_UPDATE_KEY", str(key / signing.KEY))
        kind.deploy(board, trees["new"])
        assert which(kind, board, trees) == "new"


def test_tree_that_was_signed_before_the_last_one_is_not_taken(kind, trees, key, monkeypatch):
    monkeypatch.setenv("LIMPET_UPDATE_KEY", str(key / signing.KEY))
    with kind.start() as board:
        board.wait()
        tell_key(board, key)
        board.wait()
        kind.deploy(board, trees["new"])
        wait_until_kept(board)
        now = time.time()
        monkeypatch.setattr(signing.time, "time", lambda: now - 3600)
        assert "signed before the last tree" in failure(kind.deploy, board, trees["old"])
        assert which(kind, board, trees) == "new"
        # The owner means it.
        monkeypatch.setattr(signing.time, "time", lambda: now)
        kind.deploy(board, trees["old"])
        assert which(kind, board, trees) == "old"


def test_signature_holds_for_its_tree_time_and_key_alone(interpreter, key, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMPET_UPDATE_KEY", str(key / signing.KEY))
    tree = manifest.sha256(b"tree")
    public = (key / signing.PUBLIC).read_bytes()
    (tmp_path / "update.pub").write_bytes(public)
    signed = signing.sign(tree)
    raw = base64.b64decode(signed["signature"])
    flipped = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(0, 256, 15)]
    modulus = int.from_bytes(public, "big")
    larger = (int.from_bytes(raw, "big") + modulus).to_bytes(257, "big")
    # A forger's easy roots: of 0, 1 and -1, and a modulus.
    easy = [number.to_bytes(256, "big") for number in (0, 1, modulus - 1, modulus)]
    wrong = [
        base64.b64encode(one).decode() for one in (b"", raw[:-1], raw + b"\0", larger, larger[:256], *flipped, *easy)
    ]
    code = f"""
from firmware.board import signature, storage
from firmware.http.errors import HTTPError
storage.use({str(tmp_path)!r})

def said(*asked):
    try:
        return signature.check(*asked)
    except HTTPError as error:
        return error.status

right = {tree!r}, {signed["signed_at"]}, {signed["signature"]!r}
print(said(*right))
print(set(said(*right[:2], one) for one in {wrong + ["?", "x"]}))
print(said("0" * 64, *right[1:]), said(right[0], right[1] + 1, right[2]))
signature.keep(right[1])
print(said(*right))
signature.keep(right[1] + 1)
print(said(*right))
for size in (0, 255, 257):
    with open({str(tmp_path)!r} + "/update.pub", "wb") as file:
        file.write(bytes(size))
    print(said(*right))
import os
os.remove({str(tmp_path)!r} + "/update.pub")
print(said("x", 0, ""))
"""
    told = interpreter.run("-c", code).stdout.split("\n")
    assert told == [
        str(signed["signed_at"]),
        "{403}",
        "403 403",
        str(signed["signed_at"]),
        "409",
        *3 * ["503"],
        "None",
        "",
    ]


def test_key_for_updates_is_never_replaced(key, capsys):
    before = (key / signing.KEY).read_bytes()
    assert tools_main(["cert", "--update", "--out", str(key)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (key / signing.KEY).read_bytes() == before
    assert (key / signing.KEY).stat().st_mode & 0o77 == 0


def test_file_for_the_page_is_signed_where_there_is_a_key(trees, key, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMPET_UPDATE_KEY", str(key / signing.KEY))
    update.pack(tmp_path / "update.tar", None, trees["new"], "source")
    with tarfile.open(tmp_path / "update.tar") as tar:
        index = json.load(tar.extractfile("update.json"))
    assert set(index["signature"]) == {"signed_at", "signature"}
    monkeypatch.setenv("LIMPET_UPDATE_KEY", str(tmp_path / "nowhere"))
    assert "is no file" in failure(update.pack, tmp_path / "update.tar", None, trees["new"], "source")


# -- from the page


def test_page_updates_by_a_file(tmp_path, browser, key, monkeypatch):
    monkeypatch.setenv("LIMPET_UPDATE_KEY", str(key / signing.KEY))
    old, new = make(tmp_path / "old"), make(tmp_path / "new")
    for tree in (old, new):
        shutil.copytree((ROOT / PAGE).parent, (tree / PAGE).parent, dirs_exist_ok=True)
    (new / "firmware" / "new.py").write_text("NEW = 1\n")
    (new / PAGE).write_text((new / PAGE).read_text().replace("The board's own site.", "The new site."))
    told = update.pack(tmp_path / "update.tar", None, new, "source")
    with FolderBoard(old) as board:
        board.wait()
        tell_key(board, key)
        context = browser.profile()
        # It runs on a laptop, but with a boot.py.
        status = json.loads(board.wait()) | {"board": "ESP32"}
        context.route("**/api/status", lambda route: route.fulfill(json=status))
        context.add_init_script(
            "const wait = AbortSignal.timeout; self.waits = [];"
            "AbortSignal.timeout = (ms) => { self.waits.push(ms); return wait.call(AbortSignal, ms); };"
        )
        page = browser.open(f"{board.url}#/settings", context)
        card = page.locator(".card", has=page.get_by_role("heading", name="Update", exact=True))
        for name, said in (("empty.tar", b""), ("page.tar", b"<!doctype html>" * 100)):
            card.get_by_label("Choose a file").set_input_files(
                {"name": name, "mimeType": "application/x-tar", "buffer": said}
            )
            page.get_by_role("dialog").get_by_role("button", name="Update").click()
            expect(page.locator("#notice")).to_have_text("This is no update.")
        card.get_by_label("Choose a file").set_input_files(tmp_path / "update.tar")
        page.get_by_role("dialog").get_by_role("button", name="Update").click()
        expect(card.get_by_role("status")).to_contain_text("The board changes over", timeout=air_board.WAIT_S * 1000)
        # The board hashes its tree twice: for the list of its files, and before it answers.
        assert page.evaluate("self.waits").count(update.TIMEOUT_S * 1000) == 2
        board.wait_for_lives(2)
        page.close()
        deadline = air_board.time.monotonic() + air_board.WAIT_S
        while json.loads(board.wait("api/update"))["tree"] != told["tree"]:
            assert air_board.time.monotonic() < deadline, board.output()
            air_board.time.sleep(0.05)
        wanted = {path: manifest.sha256(data) for path, data in manifest.build(new, None, "source").items()}
        assert files(board)[0] == wanted
        context.close()
    browser.forgive("ERR_")
