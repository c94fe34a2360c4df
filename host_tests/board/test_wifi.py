"""The Wi-Fi supervisor: scripted days on both interpreters, random days, and the laptop's simulated radio."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_tests.fakes import network
from host_tests.vectors import wifi as vectors

# Calls into the driver that a random day makes fail.
BROKEN = ["scan", "connect", "disconnect", "active", "status", "isconnected", "config", "ipconfig", "ipconfig?"]

EVENTS = st.one_of(
    st.tuples(st.just("switch"), st.sampled_from(["Home", "Cabin"]), st.booleans()),
    st.tuples(st.just("drop"), st.sampled_from([2, 6, 15, 200, 202])),
    st.tuples(st.just("dhcp"), st.booleans()),
    st.tuples(st.just("lease"), st.sampled_from([None, "10.0.0.9"])),
    st.tuples(st.just("clients"), st.integers(0, 2)),
    st.tuples(st.just("scan")),
    st.tuples(st.just("try"), st.sampled_from(["Home", "Cabin", "Nowhere"]), st.sampled_from(["password1", "wrong 1"])),
    st.tuples(st.just("broken"), st.sampled_from(BROKEN)),
    st.tuples(st.just("mended")),
    st.tuples(st.just("soft reset")),
)


def happen(board: vectors.Board, event: tuple) -> vectors.Board:
    """Let one thing happen; return the board, a new one after a soft reset."""
    what, *arguments = event
    air = board.air
    points = {point.ssid.decode(): point for point in air.air}
    if what == "switch":
        air.switch(points[arguments[0]], arguments[1])
    elif what == "drop":
        air.drop(*arguments)
    elif what == "dhcp":
        points["Home"].address = "192.168.1.102" if arguments[0] else None
    elif what == "lease" and air.connected:
        air.lease(*arguments)
    elif what == "clients" and air.active[network.AP_IF]:
        air.clients = arguments[0]
    elif what == "scan":
        assert type(board.ask(board.wifi.scan(), 120)) is list
    elif what == "try":
        ok, reason, address = board.ask(board.wifi.try_network(*arguments), 120)
        assert (ok and address and not reason) or (not ok and reason and not address)
        assert not ok or board.settings.names()[0] == arguments[0]
    elif what == "broken":
        air.broken = tuple(arguments)
    elif what == "mended":
        air.broken = ()
    elif what == "soft reset":
        known = board.settings.current["networks"]
        board = vectors.left_by(board, 0)
        board.settings.current["networks"] = known
    return board


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_day_ends_as_it_should(case):
    vectors.check(case)


def test_days_end_as_they_should_on_micropython(micropython):
    micropython.run_vectors("wifi")


@settings(max_examples=150)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 100)), max_size=25))
def test_random_day_ends_with_a_network(day):
    """Whatever happens: every request is answered, the driver is treated with manners, no error ends the task."""
    vectors.wifi.say = vectors.joining.say = vectors.quietly
    with vectors.BorrowedOnce():
        live_through(day)


def live_through(day):
    board = vectors.Board()
    home = board.air.add(*vectors.HOME)
    board.air.add("Cabin", "password1")
    for event, pause_s in day:
        board = happen(board, event)
        board.run(pause_s)
    board.air.broken = ()
    board.air.clients = 0
    board.air.switch(home, True)
    home.address = "192.168.1.102"
    board.settings.current["networks"] = [{"ssid": "Home", "password": "password1"}]
    board.run(100)
    if board.wifi.ssid != "Home":
        board.run_until("connected", 300)
    board.run(10)
    assert board.wifi.state == "connected"
    assert board.air.active == [True, False]


WATCH = """
import micropython
from host_tests.vectors import wifi as vectors

vectors.wifi.say = vectors.joining.say = vectors.quietly
board = vectors.Board(reset_after_s=600)
board.air.add(*vectors.HOME)
board.run(100)
watched = board.wifi
watched.station.isconnected = lambda: True
watched.ticks_ms = lambda: watched.since
micropython.heap_lock()
watched._watch()
micropython.heap_unlock()
print(watched.state)
"""


def test_watching_a_link_allocates_nothing(micropython):
    assert micropython.run("-c", WATCH).stdout == "connected\n"


LAPTOP = """
import asyncio
from firmware import board
from firmware.board import joining, simwifi, wifi
from host_tests.vectors.wifi import Settings

simwifi._JOIN_MS = 300
settings = Settings([], 60, 0)
wifi.say = joining.say = lambda text: None
watched = wifi.Supervisor(simwifi, settings, board.sleep_ms, board.ticks_ms, board.reset)


async def main():
    task = asyncio.create_task(watched.run())
    print([one["ssid"] for one in await watched.scan()], watched.state)
    print(await watched.try_network("Lighthouse", "barnacle"))
    print(await watched.try_network("Rock Pool", simwifi.PASSWORD), watched.state, watched.ssid)
    print(settings.names())
    task.cancel()


asyncio.run(main())
"""


def test_simulated_radio_can_be_set_up_on_a_laptop(interpreter):
    assert interpreter.run("-c", LAPTOP).stdout.splitlines() == [
        "['Rock Pool', 'Lighthouse', 'Harbour Cafe'] joining",
        "(False, 'wrong password', None)",
        "(True, None, '127.0.0.1') connected Rock Pool",
        "['Rock Pool']",
    ]
