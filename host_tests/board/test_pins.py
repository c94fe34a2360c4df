"""The pins: firmware/board/pins.py over the fakes of an ESP32, firmware/site/pins.py over real sockets."""

import asyncio
import json

import httpx
import pytest
import websockets

PINS = [
    {"number": 4, "name": "Fan", "mode": "pwm"},
    {"number": 5, "name": "Pump", "mode": "output"},
    {"number": 12, "name": "Door", "mode": "input"},
    {"number": 54, "name": "Nowhere", "mode": "output"},
]
INPUT = 12


@pytest.fixture
def board(start_server, tmp_path):
    """A client of a server that has PINS."""
    (tmp_path / "config.json").write_text(json.dumps({"pins": {"gpio": PINS}}))
    with httpx.Client(base_url=start_server(data=tmp_path).url, timeout=120) as client:
        yield client


def put(client, number, value):
    return client.put(f"/api/pins/{number}", json={"value": value})


def latest(client):
    """Return the newest reading."""
    return client.get("/api/readings?since=0&wait=5").json()["values"][-1]


def test_vectors_hold(interpreter):
    interpreter.run_vectors("pins")


def test_pins_are_listed_in_the_order_of_the_settings(board):
    found = board.get("/api/pins").json()["pins"]
    assert [(pin["number"], pin["name"], pin["mode"]) for pin in found] == [tuple(pin.values()) for pin in PINS]
    assert [pin["value"] for pin in found[:2]] == [0, 0] and found[2]["value"] in (0, 1)
    assert found[3]["value"] is None and found[3]["error"] == "The chip does not do this: invalid pin."
    assert [pin["error"] for pin in found[:3]] == [None] * 3
    assert board.get("/api/pins/4").json() == found[0]


def test_pin_is_set(board):
    assert put(board, 5, 1).json() == {"number": 5, "name": "Pump", "mode": "output", "value": 1, "error": None}
    assert put(board, 4, 7.5).json()["value"] == 7.5
    assert board.get("/api/pins/5").json()["value"] == 1
    assert latest(board)["pins"].items() >= {"4": 7.5, "5": 1, "54": None}.items()


@pytest.mark.parametrize(
    "number, body, status, words",
    [
        (13, {"value": 1}, 404, "no pin 13"),
        (INPUT, {"value": 1}, 409, "an input"),
        (54, {"value": 1}, 409, "invalid pin"),
        (5, {"value": 2}, 422, "0 or 1"),
        (5, {"value": True}, 422, "0 or 1"),
        (4, {"value": 101}, 422, "percent"),
        (4, {"value": None}, 422, "percent"),
        (4, {}, 422, "Send"),
        (4, {"value": 1, "more": 1}, 422, "Send"),
        (4, [1], 422, "Send"),
    ],
)
def test_what_is_wrong_is_refused(board, number, body, status, words):
    answer = board.put(f"/api/pins/{number}", json=body)
    assert (answer.status_code, words in answer.json()["error"]["detail"]) == (status, True), answer.text
    assert board.get("/api/pins/4").json()["value"] == board.get("/api/pins/5").json()["value"] == 0


def test_board_without_pins_has_none(server):
    assert httpx.get(server.url + "api/pins").json()["pins"] == []
    assert httpx.put(server.url + "api/pins/4", json={"value": 1}).status_code == 404
    assert "pins" not in latest(httpx.Client(base_url=server.url))


def test_input_that_changes_is_a_reading(board):
    """The simulated door opens and closes every seven seconds."""
    since = board.get("/api/readings?since=0&wait=5").json()["last"]
    seen = set()
    for _ in range(10):
        answer = board.get(f"/api/readings?since={since}&wait=5").json()
        since = answer["last"]
        seen |= {reading["pins"][str(INPUT)] for reading in answer["values"]}
        if seen == {0, 1}:
            return
    raise AssertionError(seen)


def test_change_shows_in_every_socket_at_once_and_errors_only_in_its_own(board):
    address = str(board.base_url).replace("http", "ws") + "ws"

    async def converse():
        async with websockets.connect(address) as one, websockets.connect(address) as other:

            async def answer():
                while "uptime_s" in (message := json.loads(await one.recv())):
                    pass
                return message

            await one.send('{"pin": {"number": 5, "value": 1}}')
            assert (await answer())["pin"]["value"] == 1
            while json.loads(await other.recv())["pins"]["5"] != 1:
                pass
            wrongs = ('{"pin": 5}', '{"pin": {"number": 5}}', '{"pin": {"number": "5", "value": 1}}')
            for wrong in (*wrongs, '{"pin": {"number": 4, "value": 101}}', '{"pin": 1, "led": 1}'):
                await one.send(wrong)
                assert (await answer())["error"]["status"] == 422
            await one.send('{"pin": {"number": 12, "value": 1}}')
            assert (await answer())["error"]["status"] == 409

    asyncio.run(asyncio.wait_for(converse(), 20))


def test_settings_change_the_pins_at_once(board):
    put(board, 5, 1)
    settings = board.get("/api/settings").json()
    settings["pins"]["gpio"] = [settings["pins"]["gpio"][1], {"number": 6, "name": "Lamp", "mode": "pwm"}]
    assert board.put("/api/settings", json=settings).status_code == 200
    found = board.get("/api/pins").json()["pins"]
    assert [(pin["number"], pin["value"]) for pin in found] == [(5, 1), (6, 0)]
    settings["pins"]["gpio"] = []
    board.put("/api/settings", json=settings)
    assert put(board, 5, 1).status_code == 404
    # Closed and opened again, it begins off.
    settings["pins"]["gpio"] = [PINS[1]]
    board.put("/api/settings", json=settings)
    assert board.get("/api/pins/5").json()["value"] == 0


def test_pins_are_set_by_who_may(board):
    assert board.put("/api/password", json={"new": "correct horse"}).status_code == 200
    board.post("/api/logout")
    board.cookies.clear()
    assert put(board, 5, 1).status_code == 401
    assert board.get("/api/pins/5").json()["value"] == 0
