"""firmware/board/recovery.py: the boot counter, safe mode and the last crash, over the fakes of an ESP32."""

import json

import pytest


def test_vectors_hold(interpreter):
    interpreter.run_vectors("recovery")


LAPTOP = """
import json
from firmware.board import recovery
print(json.dumps([recovery.begin(), recovery.report()]))
recovery.confirm()
recovery.note_crash("wrong")
print(recovery.last_crash())
try:
    recovery.reset("no network")
finally:
    print(recovery.last_crash())
"""


def test_laptop_has_boots_that_end_with_the_process(interpreter):
    for _ in range(4):
        done = interpreter.run("-c", LAPTOP, check=False)
        assert done.returncode == 75, done.stderr
        report, first, said, last = done.stdout.splitlines()
        known = {"boots": 1, "reset_cause": "power on", "safe_mode": False, "last_crash": None}
        assert json.loads(report) == [False, known]
        assert first.startswith("boot 1, after ") and first.endswith(" s: wrong")
        assert said == "limpet: reset: no network"
        assert last.endswith(" s: no network")


SETTLE = """
import os
from firmware.board import recovery
from firmware.server import transport

recovery.root = {root!r}
recovery.FINISHED_MS = recovery.TRIAL_MS = 1

async def live():
    import asyncio
    task = asyncio.create_task(recovery.watch())
    for _ in range(20):
        await asyncio.sleep(0.002)
    task.cancel()

transport.run(live())
print("trial" in os.listdir({root!r} + "/.limpet"))
"""


@pytest.mark.parametrize("by_cable", [True, False])
def test_tree_that_nobody_has_reached_stays_only_if_it_came_by_the_cable(interpreter, tmp_path, by_cable):
    home = tmp_path / ".limpet"
    home.mkdir()
    for name in ("trial", "~0123", *(["~cable"] if by_cable else [])):
        (home / name).touch()
    done = interpreter.run("-c", SETTLE.format(root=str(tmp_path)))
    assert done.stdout.split()[-1] == str(not by_cable)
    assert sorted(path.name for path in home.iterdir()) == ([] if by_cable else ["trial", "~0123"])


@pytest.mark.parametrize("status", [0, 1])
def test_laptop_leaves_with_its_status(interpreter, status):
    assert interpreter.run("-c", f"import firmware.board as b; b.leave({status})", check=False).returncode == status


def test_board_leaves_by_a_reset_only_where_something_failed(interpreter):
    code = "from host_tests.fakes import esp; [board] = esp.modules('firmware.board'); board.leave({}); print('prompt')"
    assert interpreter.run("-c", code.format(0)).stdout == "prompt\n"
    done = interpreter.run("-c", code.format(1), check=False)
    assert "prompt" not in done.stdout
