"""firmware/board/clock.py: time servers, their silence and their nonsense, and the two epochs."""

import time


def test_vectors_hold(interpreter):
    interpreter.run_vectors("clock")


def test_laptop_shows_its_own_time(interpreter):
    before = int(time.time())
    shown = int(interpreter.run("-c", "from firmware.board import clock; print(clock.unix_time())").stdout)
    assert before <= shown <= time.time()
