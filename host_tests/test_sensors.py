"""Sensors of a project: when each is read, what a value may be, and what becomes of a reading that does not end."""

START = """
import asyncio
import firmware.board as board
from firmware import sensors
from firmware.server import transport
from firmware.site import guards

now = [0]
board.uptime_s = lambda: now[0]

class Log:
    def error(self, line):
        print("log:", line)

guards.log = Log()

async def at(second):
    now[0] = second
    sensors.values()
    for _ in range(5):
        await transport.sleep_ms(0)
    return sensors.values()

def watch(name, *seconds):
    async def main():
        for second in seconds:
            print(second, (await at(second))[name])

    transport.run(main())
"""


def watched(interpreter, code):
    return interpreter.run("-c", START + code).stdout


def given_up(after_s):
    said = f"sensor slow: OSError: no reading within {after_s} s\n"
    return f"log: {said}limpet: {said}"


def test_sensor_is_read_as_often_as_it_says(interpreter):
    code = """
count = [0]

def read():
    count[0] += 1
    return count[0]

sensors.add("soil", "%", read, every_s=10)

watch("soil", 0, 1, 9, 10, 19, 35, 36)
"""
    assert watched(interpreter, code) == "0 1\n1 1\n9 1\n10 2\n19 2\n35 3\n36 3\n"


def test_reading_that_does_not_end_is_given_up_and_begun_anew(interpreter):
    code = """
begun = [0]

async def read():
    begun[0] += 1
    if begun[0] in (2, 3):
        await asyncio.Event().wait()
    return begun[0]

sensors.add("slow", "%", read, every_s=5)

watch("slow", 0, 5, 14, 19, 20, 25, 34, 35, 36)
"""
    # The one begun at 5 s is given up at 20 s; the next is begun at once, and is given up in its turn, without a word.
    told = f"0 1\n5 1\n14 1\n19 1\n{given_up(15)}20 None\n25 None\n34 None\n35 None\n36 4\n"
    assert watched(interpreter, code) == told


def test_what_comes_after_it_was_given_up_counts_no_more(interpreter):
    code = """
begun = [0]

async def read():
    begun[0] += 1
    if begun[0] == 1:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
    await asyncio.Event().wait()

sensors.add("slow", "%", read)

watch("slow", 0, 9, 10, 11)
"""
    assert watched(interpreter, code) == f"0 None\n9 None\n{given_up(10)}10 None\n11 None\n"


def test_failure_after_it_was_given_up_counts_no_more(interpreter):
    code = """
begun = [0]

async def read():
    begun[0] += 1
    if begun[0] == 1:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            for _ in range(8):
                await transport.sleep_ms(0)
            raise ValueError("late")
    return begun[0]

sensors.add("slow", "%", read)

watch("slow", 0, 10, 11, 12)
"""
    assert watched(interpreter, code) == f"0 None\n{given_up(10)}10 None\n11 2\n12 3\n"
