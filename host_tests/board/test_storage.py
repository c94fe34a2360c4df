"""firmware/board/storage.py: what is kept, what is read back, and what a broken file or a sudden end does."""

import json
import random
import signal
import subprocess
import time

import pytest

KEPT = {"text": 'Zoë "\\\n\x01 😀', "numbers": [0, -1, 1.5], "nothing": None, "deep": {"list": [[], {}, True]}}


def run(interpreter, folder, code):
    """Run code that has `storage` at hand, keeping its documents in `folder`; return what it prints."""
    start = f"from firmware.board import storage; import json, os; storage.use({str(folder)!r})\n"
    return interpreter.run("-c", start + code).stdout


def load(interpreter, folder, default="{'fresh': 1}", path="doc.json"):
    """Return the document, and what was printed besides."""
    *console, document = run(interpreter, folder, f"print(json.dumps(storage.load({path!r}, {default})))").splitlines()
    return json.loads(document), console


def test_document_comes_back_as_it_was_saved(interpreter, tmp_path):
    code = f"storage.save('doc.json', json.loads({json.dumps(KEPT, ensure_ascii=False)!r}))"
    run(interpreter, tmp_path, code)
    assert json.loads((tmp_path / "doc.json").read_bytes()) == KEPT
    assert load(interpreter, tmp_path) == (KEPT, [])


def test_interpreters_read_what_others_wrote(micropython, tmp_path):
    (tmp_path / "doc.json").write_text(json.dumps(KEPT), encoding="utf-8")
    assert load(micropython, tmp_path) == (KEPT, [])
    (tmp_path / "doc.json").write_text(json.dumps(KEPT, ensure_ascii=False), encoding="utf-8")
    assert load(micropython, tmp_path) == (KEPT, [])


@pytest.mark.parametrize(
    "value",
    [
        *("float('nan')", "1e999", "{'a': [-1e999]}", "{1}", "object()"),
        *("chr(0xDC00)", "deep(33)", "10 ** 301", "'x' * 65536"),
    ],
)
def test_what_could_not_be_read_again_is_not_saved(interpreter, tmp_path, value):
    (tmp_path / "doc.json").write_text(json.dumps(KEPT))
    code = f"""
def deep(depth):
    return [deep(depth - 1)] if depth else 0
try:
    storage.save("doc.json", {{"a": {value}}})
except (TypeError, ValueError):
    print("no")
"""
    assert run(interpreter, tmp_path, code) == "no\n"
    assert load(interpreter, tmp_path) == (KEPT, [])
    assert [path.name for path in tmp_path.iterdir()] == ["doc.json"]


def test_deepest_and_longest_come_back(interpreter, tmp_path):
    code = "a = 10 ** 299\nfor _ in range(31):\n    a = [a]\nstorage.save('doc.json', {'a': a})\nprint('saved')"
    assert run(interpreter, tmp_path, code) == "saved\n"
    assert load(interpreter, tmp_path)[1] == []


def test_mark_of_byte_order_is_passed_over(interpreter, tmp_path):
    for text, wanted in (('{"a": "\ufeff"}', {"a": "\ufeff"}), ("", {"fresh": 1})):
        (tmp_path / "doc.json").write_text(text, encoding="utf-8-sig")
        document, console = load(interpreter, tmp_path)
        assert document == wanted and bool(console) == (not text)


def test_missing_document_is_the_default_and_silent(interpreter, tmp_path):
    assert load(interpreter, tmp_path) == ({"fresh": 1}, [])
    assert list(tmp_path.iterdir()) == []


def test_missing_folders_are_made(interpreter, tmp_path):
    run(interpreter, tmp_path / "a" / "b", "storage.save('c/d/doc.json', {'deep': 1})")
    assert json.loads((tmp_path / "a" / "b" / "c" / "d" / "doc.json").read_text()) == {"deep": 1}


def test_folder_that_cannot_be_is_an_error(interpreter, tmp_path):
    (tmp_path / "file").touch()
    code = f"""
try:
    storage.use({str(tmp_path / "file")!r})
except OSError:
    print("no")
print(storage.folder == {str(tmp_path)!r})
"""
    assert run(interpreter, tmp_path, code).split() == ["no", "True"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"a": [1, 2',
        b'{"a": 1}}',
        b'{"a" 1}',
        b'{"a": "\xff"}',
        b"\0" * 512,
        b"\xff" * 512,
        b"[1]",
        b"null",
        b"[" * 5000,
    ],
    ids=repr,
)
def test_broken_document_is_the_default_and_kept_aside(interpreter, tmp_path, raw):
    path = tmp_path / "doc.json"
    path.write_bytes(raw)
    document, console = load(interpreter, tmp_path)
    assert document == {"fresh": 1}
    assert len(console) == 1
    assert console[0].startswith(f"limpet: {path} cannot be used")
    assert (tmp_path / "doc.json.bad").read_bytes() == raw
    assert not path.exists()
    run(interpreter, tmp_path, "storage.save('doc.json', {'next': 1})")
    assert load(interpreter, tmp_path) == ({"next": 1}, [])


def test_document_in_which_something_is_wrong_is_the_default(interpreter, tmp_path):
    (tmp_path / "doc.json").write_text('{"version": 7}')
    code = "print(storage.load('doc.json', {}, lambda document: document['version'] == 1))"
    line, document = run(interpreter, tmp_path, code).splitlines()
    assert line.endswith("it holds something else")
    assert document == "{}"


def test_folder_in_place_of_a_document_is_the_default(interpreter, tmp_path):
    (tmp_path / "doc.json" / "x").mkdir(parents=True)
    document, console = load(interpreter, tmp_path)
    assert (document, len(console)) == ({"fresh": 1}, 1)


def test_document_that_cannot_be_read_for_now_stays(interpreter, tmp_path):
    """A driver's error, or memory that is short, is no fault of the file's: it is no default that is saved over it."""
    (tmp_path / "doc.json").write_text('{"old": 1}')
    code = """
documents = storage._documents()
storage._documents = lambda: documents
def fail(*words):
    raise error
documents.open = fail
for error in OSError(5), OSError(13), MemoryError():
    try:
        storage.load("doc.json", {})
    except (OSError, MemoryError) as raised:
        print(raised is error)
"""
    assert run(interpreter, tmp_path, code).split() == ["True"] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["doc.json"]
    assert load(interpreter, tmp_path) == ({"old": 1}, [])


def test_leftover_of_a_cut_save_is_ignored_and_removed(interpreter, tmp_path):
    (tmp_path / "doc.json").write_text('{"old": 1}')
    (tmp_path / "doc.json.new").write_text('{"half')
    assert load(interpreter, tmp_path) == ({"old": 1}, [])
    assert [path.name for path in tmp_path.iterdir()] == ["doc.json"]


def test_save_that_fails_leaves_the_old_document(interpreter, tmp_path):
    (tmp_path / "doc.json").write_text('{"old": 1}')
    (tmp_path / "doc.json.new").mkdir()
    code = """
try:
    storage.save("doc.json", {"new": 1})
except OSError:
    print("failed")
"""
    assert run(interpreter, tmp_path, code).split() == ["failed"]
    assert load(interpreter, tmp_path) == ({"old": 1}, [])


def test_full_disk_leaves_the_old_document_and_no_leftover(interpreter, tmp_path):
    (tmp_path / "doc.json").write_text('{"old": 1}')
    code = f"""
from firmware.board import storage
storage.use({str(tmp_path)!r})
try:
    storage.save("doc.json", ["x" * 100] * 500)
except OSError:
    print("failed")
"""
    # A file may have 16 blocks of 512 or 1,024 bytes; ignoring the signal makes the write fail instead.
    limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh", *interpreter.argv("-c", code)]
    done = subprocess.run(limited, env=interpreter.environment(), capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["failed"], done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["doc.json"]
    assert load(interpreter, tmp_path) == ({"old": 1}, [])


WRITER = """
from firmware.board import storage
storage.use({folder!r})
n = 0
while True:
    n += 1
    storage.save("doc.json", [n, "x" * (n * 37 % 20000), n])
    print(n)
"""


def test_kill_during_saves_leaves_a_whole_document(interpreter, tmp_path):
    chance = random.Random(2)
    code = WRITER.format(folder=str(tmp_path))
    for _ in range(12):
        with open(tmp_path / "console", "wb") as console:
            process = subprocess.Popen(
                interpreter.argv("-c", code), env=interpreter.environment(), stdout=console, stderr=console
            )
            try:
                while not (tmp_path / "console").stat().st_size and process.poll() is None:
                    time.sleep(0.01)
                time.sleep(chance.random() / 20)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()
        saved = int((tmp_path / "console").read_text().split("\n")[-2])
        document = json.loads((tmp_path / "doc.json").read_text())
        n = document[0]
        # What was reported as saved is there, or the one behind it.
        assert n in (saved, saved + 1)
        assert document == [n, "x" * (n * 37 % 20000), n]
        assert load(interpreter, tmp_path, "[]") == (document, [])
