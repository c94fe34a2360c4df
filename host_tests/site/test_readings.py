"""The shipped site's live side: readings as events, long polls, CSV and WebSocket, under both interpreters."""

import asyncio
import json

import httpx
import pytest
import websockets

COLUMNS = ["uptime_s", "temperature_c", "heap_free", "idf_free", "rssi_dbm", "requests", "led"]
MEMBERS = set(COLUMNS)


@pytest.fixture(autouse=True)
def led_off(server):
    httpx.put(server.url + "api/led", json={"on": False})


def newest(server):
    return httpx.get(server.url + "api/readings?since=0&wait=5").json()


def test_poll_returns_what_is_newer(server):
    answer = newest(server)
    assert 1 <= len(answer["values"]) <= 60 and set(answer["values"][-1]) == MEMBERS
    later = httpx.get(server.url + f"api/readings?since={answer['last']}&wait=10")
    assert later.status_code == 200
    assert later.json()["last"] > answer["last"] and later.json()["values"][0]["uptime_s"] >= 0


@pytest.mark.parametrize("query", ["since=-1", "wait=61", "wait=x", "since=1.5", "wait=-1"])
def test_poll_refuses_what_is_no_number(server, query):
    assert httpx.get(server.url + "api/readings?" + query).status_code == 400


def test_poll_without_a_wait_is_answered_at_once(server):
    last = newest(server)["last"]
    assert httpx.get(server.url + f"api/readings?since={last}").status_code in (200, 204)


def test_events_are_readings_with_their_numbers(server):
    since = newest(server)["last"] - 1
    with httpx.stream("GET", server.url + "api/events", headers={"Last-Event-ID": str(since)}, timeout=120) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        found = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            found[name] = value
            if name == "data" and int(found["id"]) == since + 2:
                break
    assert set(json.loads(found["data"])) == MEMBERS


def test_table_has_the_rows_that_are_asked_for(server):
    while (number := newest(server)["last"]) < 3:
        pass
    rows = httpx.get(server.url + "api/readings.csv?rows=2").text.splitlines()
    assert rows[0] == ",".join(["number", *COLUMNS])
    numbers = [int(row.split(",")[0]) for row in rows[1:]]
    assert len(numbers) == 2 and numbers[1] == numbers[0] + 1 and numbers[1] >= number
    for row in rows[1:]:
        assert len(row.split(",")) == len(rows[0].split(","))
    assert httpx.get(server.url + "api/readings.csv?rows=0").status_code == 400
    assert httpx.get(server.url + "api/readings.csv?rows=-1").status_code == 400


@pytest.mark.parametrize("query", ["", "?rows=1000"])
def test_table_has_what_is_held_and_ends(server, query):
    number = newest(server)["last"]
    rows = httpx.get(server.url + "api/readings.csv" + query).text.splitlines()
    assert 1 <= len(rows) - 1 <= 60 and int(rows[-1].split(",")[0]) >= number


def test_table_before_the_first_reading_is_its_head(interpreter):
    code = """
from firmware.site import routes
from firmware.site import readings
print("".join(readings._rows(-1, 0)), len(list(readings._rows(0, 0))))
"""
    head = "number,uptime_s,temperature_c,heap_free,idf_free,rssi_dbm,requests,led\r\n"
    assert interpreter.run("-c", code).stdout.encode() == f"{head} 1\n".replace("\r\n", "\n").encode()


def test_socket_sends_readings_and_obeys(server):
    async def converse():
        async with websockets.connect(server.url.replace("http", "ws") + "ws") as socket:

            async def answer():
                while set(message := json.loads(await socket.recv())) == MEMBERS:
                    pass
                return message

            assert set(json.loads(await socket.recv())) == MEMBERS
            await socket.send('{"led": {"on": true}}')
            assert await answer() == {"led": {"on": True}}
            assert httpx.get(server.url + "api/led").json() == {"on": True}
            for wrong, status in (("x", 400), ("{}", 422), ('{"led": 1}', 422), ('{"door": {}}', 422), ("[]", 422)):
                await socket.send(wrong)
                assert (await answer())["error"]["status"] == status

    asyncio.run(asyncio.wait_for(converse(), 20))


def test_bytes_are_no_commands(server):
    async def converse():
        async with websockets.connect(server.url.replace("http", "ws") + "ws") as socket:
            await socket.send(b'{"led": {"on": true}}')
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await socket.recv()
            assert closed.value.rcvd.code == 1003

    asyncio.run(asyncio.wait_for(converse(), 20))


def test_switched_led_shows_in_every_socket_at_once(server):
    async def converse():
        address = server.url.replace("http", "ws") + "ws"
        async with websockets.connect(address) as one, websockets.connect(address) as other:
            await one.send('{"led": {"on": true}}')
            while not json.loads(await other.recv())["led"]:
                pass

    asyncio.run(asyncio.wait_for(converse(), 20))


@pytest.fixture
def sampling(monkeypatch):
    """The sampler, taken step by step: (the list it publishes to, a list of the pins' values, a function for ms)."""
    from firmware.board import settings
    from firmware.site import guards, readings

    values, published, ticks = [{"4": 0}], [], [0]

    class Pause:
        def __init__(self, ms):
            self.ms = ms

        def __await__(self):
            yield self.ms

    monkeypatch.setattr(readings.transport, "sleep_ms", Pause)
    monkeypatch.setattr(readings, "_pins", lambda: values[0])
    monkeypatch.setattr(readings.feed, "publish", lambda reading: published.append((ticks[0], reading.get("pins"))))
    monkeypatch.setattr(guards, "root", type("Root", (), {"server": type("Server", (), {"requests": 0})}))
    monkeypatch.setattr(settings, "current", {**settings.current})
    sampler = readings.sample()

    def run(ms):
        end = ticks[0] + ms
        while ticks[0] < end:
            ticks[0] += sampler.send(None)

    yield published, values, run
    sampler.close()


def test_sample_is_taken_every_second(sampling):
    published, values, run = sampling
    run(3000)
    assert published == [(0, {"4": 0}), (1000, {"4": 0}), (2000, {"4": 0})]


def test_pin_that_changes_in_between_makes_a_sample_and_two_a_second_at_most(sampling):
    published, values, run = sampling
    run(700)
    values[0] = {"4": 1}
    run(200)
    assert published[1:] == [(700, {"4": 1})]
    for number in range(30):
        values[0] = {"4": number}
        run(100)
    times = [time for time, _ in published]
    assert all(later - earlier >= 500 for earlier, later in zip(times, times[1:])) and len(times) > 10
