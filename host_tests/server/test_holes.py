"""No answer takes more than 256 bytes in one piece: a heap without a larger one serves what it has served before.

On the 32-bit MicroPython, whose words and heap blocks are as long as the ESP32's.
"""

import json

import pytest

from host_tests.server.test_connection import Client, request
from host_tests.servers import SOCKET_TIMEOUT_S
from tools.mixed import UPGRADE

HOLES = "host_tests/apps/holes.py"
MOST_BYTES = 256

# A browser's fields; a head with more than this is longer than a slot's own buffer.
BROWSER = (
    "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding: gzip, deflate, br",
)
LONG = (*BROWSER, "Cookie: " + "x" * 900)


def questions(tag):
    """Return what is asked for: {name: (request, status)}; `tag`: the page's ETag."""
    page = "GET /www/page.html"
    return {
        "page": (request(page, *BROWSER), 200),
        "page by a long head": (request(page, *LONG), 200),
        "page's head": (request("HEAD /www/page.html", *BROWSER), 200),
        "not modified": (request(page, f"If-None-Match: {tag}", *BROWSER), 304),
        "part": (request(page, "Range: bytes=1-9", *BROWSER), 206),
        "JSON": (request("GET /json"), 200),
        "JSON with fields": (request("GET /fields"), 200),
        "stream": (request("GET /stream"), 200),
        "events": (request("GET /events?since=0"), 200),
        "WebSocket": (request("GET /ws", "Authorization: Bearer a token of length 22..", *UPGRADE), 101),
        "text": (request("GET /text"), 200),
        "not found": (request("GET /nothing", *BROWSER), 404),
        "not found, JSON": (request("GET /nothing", "Accept: application/json"), 404),
        "not allowed": (request("GET /www/page.html", *BROWSER).replace(b"GET", b"DELETE"), 401),
        "redirect": (request("GET /moved", *BROWSER), 302),
        "busy": (request("GET /busy", *BROWSER), 503),
        "log-in refused": (request("POST /json", "Content-Type: application/json", body=b"{}"), 401),
        "no request": (request("GET /json", "Bad Name: x"), 400),
        "closed": (request("GET /json", "Connection: close"), 200),
    }


@pytest.mark.interpreters("i386")
def test_heap_in_pieces_of_256_bytes_answers(start_server):
    server = start_server("requests=100000", script=HOLES, heapsize="700k")

    def ask(raw):
        with Client(server) as client:
            client.socket.settimeout(SOCKET_TIMEOUT_S)
            client.send(raw)
            answer = client.read(head=raw.startswith((b"HEAD", b"GET /events", b"GET /ws")))
            if raw.startswith(b"GET /events"):
                received = b""
                while b"id: 8\n" not in received:
                    received += client.socket.recv(4096) or pytest.fail("cut")
            return answer

    tag = ask(request("GET /www/page.html")).header("etag")
    # What each takes is loaded, and every slot has its first client.
    for _ in range(3):
        for name, (raw, status) in questions(tag).items():
            assert ask(raw).status == status, name
    assert json.loads(ask(request("GET /largest")).body)["largest"] == 4096
    for turn in range(5):
        # Whatever has become free meanwhile is filled, too.
        assert json.loads(ask(request("GET /holes")).body)["largest"] <= MOST_BYTES
        for name, (raw, status) in questions(tag).items():
            answer = ask(raw)
            assert answer.status == status, (turn, name, answer)
    assert "MemoryError" not in server.output(), server.output()
