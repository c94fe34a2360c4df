"""What applications are made of: handlers, hooks, error pages, mounts and routes, as clients see them."""

import email.utils
import json
import re
import time

import pytest

from firmware import App, HTTPError, Response
from firmware.server import opening, respond
from host_tests.apps.kitchen import JUNK, pattern
from host_tests.server.test_connection import Client, answers, ask, request, state
from host_tests.server.test_websocket import Socket
from host_tests.servers import Server


@pytest.fixture(scope="module", params=["plain", "hooked", "hooked-later"])
def kitchen(request, server_interpreter):
    """An app without hooks, with some, and with asynchronous ones: requests go different ways."""
    words = [] if request.param == "plain" else [request.param]
    with Server(server_interpreter, *words, script="host_tests/apps/kitchen.py") as running:
        yield running


@pytest.fixture(scope="module")
def house(server_interpreter):
    with Server(server_interpreter, script="host_tests/apps/house.py") as running:
        yield running


def told(server, line="GET /log"):
    return json.loads(ask(server, line).body)


@pytest.fixture
def log(house):
    """A function that returns what was logged since the test began."""
    told(house)
    return lambda: told(house)


# -- what handlers return


@pytest.mark.parametrize(
    ("path", "status", "kind", "body"),
    [
        ("/json", 200, "application/json", b'{"hello": "world"}'),
        ("/list", 200, "application/json", b'[1, "two", null]'),
        ("/text", 200, "text/html; charset=utf-8", "<p>grüß Gott".encode()),
        ("/bytes", 200, "application/octet-stream", b"\x00\xff"),
        ("/async", 200, "application/json", b'{"path": "/async"}'),
        ("/created", 201, "application/json", b'{"id": 7}'),
        ("/typed", 200, "text/csv", b"a,b\r\n"),
        ("/typed/lower", 200, "application/problem+json", b'{"a": 1}'),
    ],
)
def test_result_of_handler_is_sent(kitchen, path, status, kind, body):
    answer = ask(kitchen, f"GET {path}")
    assert (answer.version, answer.status, answer.body) == ((1, 1), status, body)
    kinds = [value for name, value in answer.headers if name == "content-type"]
    assert [value.replace(" ", "") for value in kinds] == [kind.replace(" ", "")]
    assert answer.header("content-length") == str(len(body))
    assert answer.header("server") == "Limpet/0.1.0"


def test_answer_has_the_date(kitchen):
    answer = ask(kitchen, "GET /json")
    assert re.fullmatch(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", answer.header("date"))
    moment = email.utils.parsedate_to_datetime(answer.header("date"))
    assert email.utils.format_datetime(moment, usegmt=True) == answer.header("date")
    assert abs(moment.timestamp() - time.time()) < 600


def test_answer_has_nothing_else(kitchen):
    names = sorted(name for name, _ in ask(kitchen, "GET /json").headers)
    assert names == ["connection", "content-length", "content-type", "date", "server"]
    with Client(kitchen) as client:
        names = sorted(name for name, _ in client.ask("GET /json").headers)
    assert names == ["content-length", "content-type", "date", "server"]


@pytest.mark.parametrize("path", ["/none", "/status/204", "/status/304"])
def test_answer_without_body_has_no_length(kitchen, path):
    with Client(kitchen) as client:
        answer = client.ask(f"GET {path}")
        assert answer.status == (204 if path == "/none" else int(path[8:]))
        if answer.status == 204:
            assert answer.header("content-length") is None
        assert answer.body == b""
        assert client.is_open()


def test_empty_answer_tells_its_length(kitchen):
    with Client(kitchen) as client:
        answer = client.ask("GET /empty")
        assert (answer.status, answer.header("content-length"), answer.body) == (200, "0", b"")
        assert client.is_open()


@pytest.mark.parametrize("status", [200, 202, 206, 299, 300, 399, 404, 418, 499, 500, 599])
def test_status_of_handler_is_sent(kitchen, status):
    answer = ask(kitchen, f"GET /status/{status}")
    assert (answer.status, answer.body) == (status, b"body")


def test_repeated_fields_are_sent_each(kitchen):
    answer = ask(kitchen, "GET /twice")
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=b", "c=d"]
    assert answer.header("x-number") == "5"


@pytest.mark.parametrize("path", ["/json", "/text", "/size/5000", "/list", "/async", "/nothing", "/raise", "/file/100"])
def test_head_is_answered_as_get_without_body(kitchen, path):
    with Client(kitchen) as client:
        whole, head = client.ask(f"GET {path}"), client.ask(f"HEAD {path}")
        assert head.status == whole.status
        fields = [[item for item in answer.headers if item[0] != "date"] for answer in (whole, head)]
        assert fields[0] == fields[1]
        assert client.is_open()


@pytest.mark.parametrize("size", [0, 1, 500, 1023, 1024, 1025, 2879, 2880, 2881, 10_000, 70_000])
def test_bytes_of_any_size_come_whole(kitchen, size):
    with Client(kitchen) as client:
        for _ in range(2):
            assert client.ask(f"GET /size/{size}").body == pattern(size)


def test_json_of_any_size_comes_whole(kitchen):
    # Around what the server's buffer for JSON holds, and more lengths than it keeps the heads of.
    sizes = [*range(0, 40), *range(2545, 2565), *range(2820, 2880), 2000, 9000]
    parts = (sizes[:40], sizes[40:80], sizes[80:])
    raw = [b"".join(request(f"GET /jsonsize/{size}") for size in part) for part in parts]
    got = [answer for part in raw for answer in answers(kitchen, part, half_close=True)]
    assert [json.loads(answer.body) for answer in got] == [{"x": "y" * size} for size in sizes]


def test_longest_json_has_room_behind_its_head():
    server = opening.make(App(), "Limpet/0.1.0")
    assert len(server.out) - respond._MAX_HEAD - len("Content-Length: 2560\r\n\r\n") >= respond.MAX_JSON
    # The features' field lines have room, too.
    server.fixed = b"X-Content-Type-Options: nosniff\r\n", b""
    assert len(respond.make_start(server, 404 + respond._FIXED)) + 117 < respond._MAX_HEAD


@pytest.mark.parametrize("length", [0, 1, 100, 2800])
def test_file_is_sent_up_to_its_length(kitchen, length):
    with open("host_tests/apps/kitchen.py", "rb") as file:
        wanted = file.read(length)
    with Client(kitchen) as client:
        for _ in range(2):
            assert client.ask(f"GET /file/{length}").body == wanted


# -- what handlers are told


def test_fields_are_told_in_order(kitchen):
    lines = ["B: 1", "a:2", "B:\t3 \t", "C:", "d: \xe4", "E: " + "ä".encode().decode("latin-1")]
    said = json.loads(ask(kitchen, "GET /fields", *lines).body)
    wanted = [["b", "1"], ["a", "2"], ["b", "3"], ["c", ""], ["d", "ä"], ["e", "ä"]]
    assert said == [["host", "limpet.test"], *wanted, ["connection", "close"]]


@pytest.mark.parametrize(
    ("name", "lines", "value"),
    [
        ("x-a", ["X-A: 1"], "1"),
        ("X-A", ["x-a: 1"], "1"),
        ("x_a", ["x-a: 1", "X_A: 2"], "2"),
        ("x-a", ["X-A: 1", "B: 2", "x-a: 3"], "1, 3"),
        ("cookie", ["Cookie: a=b", "Cookie: c=d"], "a=b; c=d"),
        ("x-a", ["X-A: ", "X-A: 1"], ", 1"),
        ("x-b", ["X-A: 1"], None),
        ("host", [], "limpet.test"),
        ("accept", ["Accept: a/b"], "a/b"),
        ("x-a", ["X-A: \xff\xfe"], "ÿþ"),
        ("x-a", ["X-A: \xc0\xaf"], "À¯"),
        ("x-a", ["X-A: \xed\xa0\x80"], "í\xa0\x80"),
        ("x-a", ["X-A: \xf5\x80\x80\x80"], "õ\x80\x80\x80"),
    ],
)
def test_field_is_found(kitchen, name, lines, value):
    said = json.loads(ask(kitchen, f"GET /field/{name}", *lines).body)
    assert said["get"] == value
    assert said["default"] == ("none" if value is None else value)
    assert said["in"] == (value is not None)
    assert said["item"] == ("KeyError" if value is None else value)


@pytest.mark.parametrize("name", ["Content-Type", "Authorization", "User-Agent", "Origin", "Range"])
def test_field_that_is_single_is_refused_when_repeated(kitchen, name):
    with Client(kitchen) as client:
        assert client.ask(f"GET /field/{name}", f"{name}: a", f"{name}: a").status == 400
        assert client.is_open()


def test_query_is_told(kitchen):
    said = json.loads(ask(kitchen, "GET /target/x%2Fy?a=1&b=%20+c&a=2&d&=e&&f=%3D%26").body)
    assert said["args"] == [["a", "1"], ["b", "  c"], ["a", "2"], ["d", ""], ["", "e"], ["f", "=&"]]
    assert said["rest"] == "x/y"
    assert said["params"] == {"rest": "x/y"}
    assert said["target"] == "/target/x%2Fy"
    assert said["method"] == "GET"


@pytest.mark.parametrize("query", ["a=%", "a=%zz", "%ff=a", "&".join("abcdefghij" * 7)])
def test_query_that_cannot_be_decoded_is_refused(kitchen, query):
    with Client(kitchen) as client:
        assert client.ask(f"GET /target?{query}").status == 400
        assert client.is_open()


def test_nothing_of_a_request_is_told_to_the_next(kitchen):
    with Client(kitchen) as client:
        first = json.loads(client.ask("GET /target/x?a=1", "Content-Type: application/json").body)
        assert first["args"] == [["a", "1"]]
        second = json.loads(client.ask("GET /target").body)
        assert (second["args"], second["rest"], second["params"], second["path"]) == ([], None, None, "/target")
        assert json.loads(client.ask("POST /echo/json", "Content-Type: application/json", body=b"[1]").body)[
            "json"
        ] == [1]
        assert json.loads(client.ask("POST /echo/json", "Content-Type: application/json", body=b"[2]").body)[
            "json"
        ] == [2]
        assert client.ask("POST /echo", body=b"abc").body == b"abc"
        assert client.ask("POST /echo").body == b""


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, 'ä€😀\n"\\']}, [], {}, 0, "x", None, False])
@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
)
def test_json_is_read(kitchen, value, kind):
    answer = ask(kitchen, "POST /echo/json", f"Content-Type: {kind}", body=json.dumps(value).encode())
    assert json.loads(answer.body) == {"json": value}
    answer = ask(
        kitchen, "POST /echo/json", f"Content-Type: {kind}", body=json.dumps(value, ensure_ascii=False).encode()
    )
    assert json.loads(answer.body) == {"json": value}


@pytest.mark.parametrize(
    "lines", [[], ["Content-Type: text/plain"], ["Content-Type: application/jsonx"], ["Content-Type:"]]
)
def test_body_that_is_no_json_by_its_type_is_refused(kitchen, lines):
    with Client(kitchen) as client:
        assert client.ask("POST /echo/json", *lines, body=b"{}").status == 415
        assert client.is_open()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{}x", b"{'a': 1}", b"[1,]", b"nul", b"\xff", b'"\xff"', b"[" * 5000, b"NaN", b'{"a"}']
)
def test_body_that_is_no_json_is_refused(kitchen, body):
    with Client(kitchen) as client:
        assert client.ask("POST /echo/json", "Content-Type: application/json", body=body).status == 400
        assert client.is_open()


def test_handler_may_do_what_it_likes_with_its_parameters(kitchen):
    for _ in range(3):
        assert json.loads(ask(kitchen, "GET /careless/x").body) == {"name": "x"}


# -- errors

PAGES = [
    (None, "json"),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "html"),
    ("text/*", "html"),
    ("*/*", "json"),
    ("image/png", "json"),
    ("application/json", "json"),
    ("application/json, text/plain, */*", "json"),
    ("text/html;q=0.5, application/json", "json"),
    ("text/html, application/json;q=0.5", "html"),
    ("application/problem+json", "json"),
]


@pytest.mark.parametrize(("accept", "kind"), PAGES)
@pytest.mark.parametrize(
    ("path", "status"), [("/nothing", 404), ("/error/418", 418), ("/raise", 500), ("/raise/async", 500)]
)
def test_error_is_told_as_asked(kitchen, accept, kind, path, status):
    answer = ask(kitchen, f"GET {path}", *([f"Accept: {accept}"] if accept else []))
    assert answer.status == status
    if kind == "json":
        assert answer.header("content-type") == "application/json"
        said = json.loads(answer.body)["error"]
        assert said["status"] == status
        assert said["reason"] == answer.reason
    else:
        assert answer.header("content-type").replace(" ", "") == "text/html;charset=utf-8"
        assert answer.body.lower().startswith(b"<!doctype html>")
        assert b"%d" % status in answer.body


def test_error_of_a_refused_head_is_told_as_asked(kitchen):
    raw = request("POST /echo", "Accept: application/json", "Content-Length: x")
    (answer,) = answers(kitchen, raw)
    assert json.loads(answer.body)["error"]["status"] == 400


def test_error_s_words_are_no_markup(kitchen):
    answer = ask(kitchen, "GET /error/409", "Accept: text/html")
    assert b"It is &lt;b&gt;so&lt;/b&gt; &amp; not else." in answer.body
    assert answer.header("x-why") == "because"
    answer = ask(kitchen, "GET /error/409", "Accept: application/json")
    assert json.loads(answer.body)["error"]["detail"] == "It is <b>so</b> & not else."


@pytest.mark.parametrize("path", ["/raise", "/raise/async"])
def test_handler_that_raises_is_told_once_and_the_next_is_served(kitchen, path):
    before = kitchen.output().count("ValueError: it went wrong")
    with Client(kitchen) as client:
        answer = client.ask(f"GET {path}")
        assert (answer.status, b"it went wrong" in answer.body) == (500, False)
        assert client.is_open()
    output = kitchen.output()
    assert output.count("ValueError: it went wrong") == before + 1
    assert f"GET b'{path}'" in output or f"GET {path}" in output
    assert "kitchen.py" in output and "Traceback" in output


@pytest.mark.parametrize("path", ["/raise/oserror", "/raise/text", "/raise/cancelled"])
def test_handler_that_raises_something_strange_is_an_error_too(kitchen, path):
    with Client(kitchen) as client:
        assert client.ask(f"GET {path}").status == 500
        assert client.is_open()


def test_handler_that_raises_on_a_post_leaves_the_connection_usable(kitchen):
    with Client(kitchen) as client:
        assert client.ask("POST /echo/json", "Content-Type: application/json", body=b"{").status == 400
        assert client.is_open()


@pytest.mark.parametrize("name", JUNK)
def test_handler_that_returns_junk_is_an_error(kitchen, name):
    path = "GET /junk/" + name.replace(" ", "%20")
    errors = state(kitchen)["counters"]["errors"]
    with Client(kitchen) as client:
        answer = client.ask(path)
        assert (answer.status, answer.header("injected")) == (500, None)
        assert client.is_open()
        answer = client.ask(path.replace("/junk/", "/junk/async/"))
        assert (answer.status, answer.header("injected")) == (500, None)
        assert client.is_open()
    assert state(kitchen)["counters"]["errors"] == errors + 2


def test_request_that_was_kept_does_not_show_another_client(kitchen):
    assert ask(kitchen, "GET /keep", "Cookie: first").status == 200
    for _ in range(3):
        assert json.loads(ask(kitchen, "GET /kept", "Cookie: secret").body)["cookie"] != "secret"


# -- hooks


def test_hooks_are_called_in_order(house, log):
    answer = ask(house, "GET /user")
    assert (answer.status, answer.header("x-after")) == (200, "1")
    assert log() == ["before 1 GET /user", "before 2", "after 1 200"]


@pytest.mark.parametrize(
    ("wish", "status", "body"),
    [
        ("dict", 200, b'{"from": "hook"}'),
        ("tuple", 202, b"hook"),
        ("empty", 200, b""),
        ("refuse", 403, None),
        ("raise", 500, b"sorry"),
    ],
)
@pytest.mark.parametrize("line", ["GET /user", "GET /nothing", "PUT /user", "GET /inner/page"])
def test_hook_may_answer(house, log, line, wish, status, body):
    with Client(house) as client:
        answer = client.ask(line, f"X-Answer: {wish}")
        assert answer.status == status
        assert answer.body == body or body is None
        assert answer.header("x-after") == "1"
        assert client.ask("GET /user").status == 200
    assert f"after 1 {status}" in log()


def test_hook_may_answer_before_the_body_is_read(house):
    with Client(house) as client:
        assert client.ask("POST /body", "X-Answer: dict", body=b"x" * 3000).body == b'{"from": "hook"}'
        assert client.ask("POST /body", body=b"abc").body == b'{"length": 3}'
        client.send(request("POST /body", "X-Answer: refuse", "Expect: 100-continue", "Content-Length: 5"))
        answer = client.read()
        assert (answer.status, answer.header("connection")) == (403, "close")
    (answer,) = answers(house, request("POST /body", "X-Answer: refuse", body=b"x" * 100_000))
    assert (answer.status, answer.header("connection")) == (403, "close")


def test_hook_guards_what_it_should(house):
    answer = ask(house, "GET /locked/room")
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
    assert ask(house, "GET /locked/room", "Authorization: Bearer wrong").status == 401
    assert ask(house, "GET /locked/nothing").status == 401
    assert ask(house, "GET /%6cocked/room").status == 401
    assert ask(house, "GET http://other.test/locked/room").status == 401


def test_what_a_hook_notes_is_gone_with_its_request(house):
    with Client(house) as client:
        said = client.ask("GET /user", "Authorization: Bearer right")
        assert json.loads(said.body) == {"user": "somebody"}
        assert json.loads(client.ask("GET /user").body) == {"user": None}
        assert client.ask("GET /locked/room").status == 401
    with Client(house) as client:
        assert json.loads(client.ask("GET /user").body) == {"user": None}


def test_hook_behind_may_replace_the_answer(house):
    answer = ask(house, "GET /user", "X-After: replace")
    assert (answer.status, answer.body) == (203, b"replaced")


@pytest.mark.parametrize("wish", ["raise", "junk", "bad"])
@pytest.mark.parametrize("line", ["GET /user", "GET /nothing", "POST /body"])
def test_hook_behind_that_goes_wrong_is_an_error(house, line, wish):
    with Client(house) as client:
        answer = client.ask(line, f"X-After: {wish}", body=b"")
        assert (answer.status, answer.header("injected")) == (500, None)
        assert client.ask("GET /user").status == 200


def test_hook_behind_leaves_the_handler_s_own_alone(house):
    answer = ask(house, "GET /shared")
    assert (answer.header("x-shared"), answer.header("x-after")) == ("yes", "1")
    assert told(house, "GET /shared/keys") == ["X-Shared"]


# -- error pages


def test_page_is_shown_with_its_status(house):
    answer = ask(house, "GET /nothing?x")
    assert answer.status == 404
    assert json.loads(answer.body)["page"] == "mine"
    assert json.loads(answer.body)["path"] == "/nothing"


def test_page_keeps_the_error_s_fields(house):
    answer = ask(house, "PUT /user")
    assert (answer.status, answer.body) == (405, b"not so")
    assert "GET" in answer.header("allow")


def test_page_may_have_a_status_of_its_own(house):
    answer = ask(house, "GET /error/409")
    assert (answer.status, answer.header("x-page"), answer.header("x-why")) == (418, "409", "because")


def test_page_of_500_is_shown_when_a_handler_raises(house):
    before = house.output().count("ValueError: it went wrong")
    answer = ask(house, "GET /raise")
    assert (answer.status, answer.body) == (500, b"sorry")
    assert house.output().count("ValueError: it went wrong") == before + 1


@pytest.mark.parametrize("status", [410, 411, 412])
def test_page_that_goes_wrong_is_an_error_all_the_same(house, status):
    with Client(house) as client:
        answer = client.ask(f"GET /error/{status}")
        assert answer.status in (status, 500)
        assert answer.header("injected") is None
        assert client.ask("GET /user").status == 200


def test_error_without_page_is_plain(house):
    answer = ask(house, "GET /error/418")
    assert (answer.status, answer.header("x-why")) == (418, "because")
    assert b"so it is" in answer.body


# -- bodies that are checked


@pytest.mark.parametrize(
    ("line", "body", "got"),
    [
        ("POST /checked/a", b'{"count": 9, "tags": ["x"]}', {"count": 9, "tags": ["x"]}),
        ("POST /checked/a", b"{}", {"count": 1, "tags": []}),
        ("PUT /checked/a", b'[{"on": true}, {"on": false}]', [{"on": True}, {"on": False}]),
    ],
)
def test_handler_has_what_the_schema_allows_with_its_defaults(house, line, body, got):
    answer = ask(house, line, "Content-Type: application/json", body=body)
    assert (answer.status, json.loads(answer.body)) == (200, {"name": "a", "got": got})


@pytest.mark.parametrize(
    ("line", "body", "status", "fields"),
    [
        ("POST /checked/a", b'{"count": 10}', 422, {"count": "Must be a whole number from 0 to 9."}),
        ("POST /checked/a", b'{"tags": [1], "x": 1}', 422, {"tags.0", "x"}),
        ("POST /checked/a", b"[]", 422, None),
        ("PUT /checked/a", b'[{"on": 1}]', 422, {"0.on": "Must be true or false."}),
        ("PUT /checked/a", b"{", 400, None),
    ],
)
def test_body_that_the_schema_does_not_allow_is_422_with_the_members_names(house, line, body, status, fields):
    with Client(house) as client:
        answer = client.ask(line, "Content-Type: application/json", "Accept: application/json", body=body)
        error = json.loads(answer.body)["error"]
        assert (answer.status, error["status"]) == (status, status)
        if type(fields) is set:
            assert set(error["fields"]) == fields
        else:
            assert error.get("fields") == fields
        assert client.ask("GET /user").status == 200


def test_body_of_another_type_is_415_before_it_is_checked(house):
    assert ask(house, "POST /checked/a", "Content-Type: text/plain", body=b"{}").status == 415


# -- an application whose errors are always JSON

BROWSER = "Accept: text/html,application/xhtml+xml"


@pytest.mark.parametrize("accept", [BROWSER, "Accept: application/json", "X-Nothing: 1"])
def test_errors_are_json_for_every_client_where_the_app_says_so(house, accept):
    answer = ask(house, "GET /told/error/422", accept)
    assert (answer.status, answer.header("content-type")) == (422, "application/json")
    assert answer.header("x-why") == "because"
    assert json.loads(answer.body) == {
        "error": {
            "status": 422,
            "reason": "Unprocessable Content",
            "detail": "so it is",
            "fields": {"name": "This is required."},
        }
    }


@pytest.mark.parametrize(("line", "status"), [("GET /told/error/418", 418), ("POST /told/error/9", 405)])
def test_errors_of_any_status_are_json_and_no_outer_page(house, line, status):
    error = json.loads(ask(house, line, BROWSER).body)["error"]
    assert error["status"] == status and ("fields" in error) == (status == 418)


def test_error_that_was_not_foreseen_is_json_and_tells_nothing(house):
    answer = ask(house, "GET /told/raise", BROWSER)
    assert json.loads(answer.body) == {"error": {"status": 500, "reason": "Internal Server Error", "detail": ""}}


def test_own_page_comes_before_json(house):
    assert ask(house, "GET /told/error/410", BROWSER).body == b"its own page"


def test_what_is_mounted_below_has_its_errors_as_json_too(house):
    assert json.loads(ask(house, "GET /told/below/error/418", BROWSER).body)["error"]["detail"] == "below"


def test_fields_are_not_on_the_page(house):
    answer = ask(house, "GET /error/418", BROWSER)
    assert answer.header("content-type").startswith("text/html") and b"so it is" in answer.body


def test_error_page_has_no_body_for_head(house):
    with Client(house) as client:
        assert client.ask("HEAD /nothing").status == 404
        assert client.ask("GET /user").status == 200


# -- routes


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/a/literal", "literal"),
        ("/a/%6citeral", "literal"),
        ("/a/5", {"int": 5}),
        ("/a/007", {"int": 7}),
        ("/a/123456789", {"int": 123456789}),
        ("/a/-5", {"name": "-5"}),
        ("/a/5x", {"name": "5x"}),
        ("/a/%35", {"int": 5}),
        ("/a/a%20b", {"name": "a b"}),
        ("/a/%E2%82%AC", {"name": "€"}),
        ("/a/%25", {"name": "%"}),
        ("/a/b/5/c", {"name": "b", "int": 5}),
        ("/a/b/x/c", 404),
        ("/a/b/5", 404),
        ("/a/b/5/c/", 404),
        ("/a/", 404),
        ("/a", 404),
        ("/a//5/c", 404),
        ("//a/5", 404),
        ("/files/a/b/c.txt", {"rest": "a/b/c.txt"}),
        ("/files/a//b/", {"rest": "a//b/"}),
        ("/files/", 404),
        ("/files", 404),
        ("/gr%C3%BC%C3%9F/x", {"greet": "x"}),
        ("/gr%c3%bc%c3%9f", {"greet": "all"}),
        ("/inner", "inner index"),
        ("/inner/", "inner index"),
        ("/inner/page", {"path": "/inner/page"}),
        ("/%69nner/page", {"path": "/inner/page"}),
        ("/inner/7", {"id": 7}),
        ("/inner/x", 404),
        ("/innerx", 404),
        ("/inner/more/deep", 405),
        ("/slash/deep", 405),
        ("/slash", 404),
        ("/from-root", "root"),
        ("/", 404),
        ("/a/literal?x=y", "literal"),
        ("/a/literal/", 404),
        ("/A/literal", 404),
    ],
)
def test_route_is_found(house, target, said):
    answer = ask(house, f"GET {target}")
    if isinstance(said, int):
        assert answer.status == said
    else:
        assert answer.status == 200
        assert (json.loads(answer.body) if isinstance(said, dict) else answer.body.decode()) == said


def test_route_of_any_method(house):
    for method in ("GET", "PURGE"):
        assert json.loads(ask(house, f"{method} /methods").body) == {"method": method}
    assert ask(house, "HEAD /methods").status == 200
    assert ask(house, "DELETE /methods").status == 204
    answer = ask(house, "POST /methods")
    assert answer.status == 405
    assert sorted(answer.header("allow").split(", ")) == ["DELETE", "GET", "HEAD", "OPTIONS", "PURGE"]
    assert ask(house, "PURGE /user").status in (405, 501)
    assert ask(house, "BREW /methods").status == 501


def test_options_and_head_may_have_handlers(house):
    for method in ("GET", "OPTIONS", "HEAD"):
        answer = ask(house, f"{method} /options")
        assert (answer.status, answer.header("x-method")) == (200, method)


# -- mounts


def test_hooks_of_what_is_mounted_are_within_the_others(house, log):
    answer = ask(house, "GET /inner/page")
    assert (answer.header("x-inner"), answer.header("x-after")) == ("1", "1")
    assert log() == ["before 1 GET /inner/page", "before 2", "inner before", "inner after", "after 1 200"]
    assert ask(house, "GET /user").header("x-inner") is None


def test_hooks_of_what_is_around_are_called_deep_within(house, log):
    assert ask(house, "POST /inner/more/deep").body == b"deep"
    assert "before 2" in log()


def test_pages_of_what_is_mounted_come_first(house):
    answer = ask(house, "GET /inner/error/409")
    assert (answer.status, answer.body) == (409, b"inner page")
    assert json.loads(ask(house, "GET /inner/error/404").body)["page"] == "mine"
    assert json.loads(ask(house, "GET /inner/nothing").body)["page"] == "mine"


# -- without a server


@pytest.mark.parametrize(
    "path", ["", "x", "x/", "<x>", "/<x", "/a<x>", "/<x>b", "/<>", "/<uuid:x>", "/<int:>", "/<path:x>/y"]
)
def test_pattern_that_is_none_is_refused(path):
    with pytest.raises(ValueError):
        App().get(path)(lambda request: None)


def test_decorators_give_the_function_back():
    app = App()

    def handler(request):
        return None

    decorators = [
        app.get("/"),
        app.post("/"),
        app.put("/"),
        app.patch("/"),
        app.delete("/"),
        app.route("/x"),
        app.error(404),
    ]
    for decorate in [*decorators, app.before, app.after]:
        assert decorate(handler) is handler


def test_response_s_fields_are_its_own():
    fields = {"A": "b"}
    response = Response(b"", 200, fields)
    response.set_header("C", "d")
    assert fields == {"A": "b"}


def test_names_are_loaded_when_used():
    import firmware

    assert firmware.App is App and firmware.HTTPError is HTTPError
    with pytest.raises(AttributeError):
        firmware.Nothing  # noqa: B018
    assert firmware.VERSION.count(".") == 2


@pytest.mark.interpreters("cpython")
def test_address_that_is_taken_is_an_error(house, interpreter):
    args = ["--host", house.host, "--port", house.port, "--data", house.data]
    done = interpreter.run("host_tests/apps/plain.py", *args, check=False)
    assert done.returncode != 0
    assert "http://" not in done.stdout


# -- field lines of features


@pytest.fixture(scope="module")
def layers(server_interpreter):
    with Server(server_interpreter, script="host_tests/apps/layers.py") as running:
        yield running


def values(answer, name):
    return [value for key, value in answer.headers if key == name]


@pytest.mark.parametrize("path", ["/inner/page", "/inner/stream"])
def test_feature_of_both_applications_tells_once(layers, path):
    answer = ask(layers, f"GET {path}", "X-Request-ID: mine", "Origin: https://one.example")
    assert values(answer, "x-request-id") == ["mine"]
    assert values(answer, "x-content-type-options") == ["nosniff"]
    assert values(answer, "vary") == ["Origin"]
    assert values(answer, "access-control-allow-origin") == ["https://one.example"]
    assert values(answer, "content-security-policy") == ["default-src 'none'"]
    assert len(re.findall('"default";r=', answer.header("ratelimit"))) == 2


def test_handshake_of_a_websocket_is_an_answer_like_others(layers):
    with Socket(layers, "/inner/ws", "X-Request-ID: mine") as client:
        assert values(client.answer, "x-request-id") == ["mine"]
        assert values(client.answer, "connection") == ["Upgrade"]
        assert client.answer.header("ratelimit")
        assert client.frame() == (1, b"x")


def test_id_is_not_taken_for_a_field(layers):
    answer = ask(layers, "GET /shared", "Origin: https://one.example", "X-Request-ID: Access-Control-Allow-Origin")
    assert values(answer, "access-control-allow-origin") == ["https://one.example"]


@pytest.mark.parametrize("path", ["/inner/page", "/inner/stream"])
def test_field_set_by_a_hook_replaces_a_feature_s(layers, path):
    answer = ask(layers, f"GET {path}", "X-Request-ID: mine", "X-Late: 1")
    for name in ("x-request-id", "x-frame-options", "ratelimit"):
        assert values(answer, name) == ["late"]
    assert values(answer, "x-content-type-options") == ["nosniff"]


def test_field_set_by_a_handler_replaces_a_feature_s(layers):
    answer = ask(layers, "GET /inner/own", "X-Request-ID: mine")
    assert (values(answer, "ratelimit"), values(answer, "x-content-type-options")) == (["own"], ["own"])
    assert values(answer, "x-request-id") == ["mine"]
    assert len(values(answer, "ratelimit-policy")) > 0


def test_answer_of_a_hook_keeps_what_features_tell(layers):
    answer = ask(layers, "GET /inner/page", "X-Request-ID: mine", "X-Replace: 1")
    assert (answer.status, answer.body) == (203, b"another")
    assert (values(answer, "x-frame-options"), values(answer, "x-request-id")) == (["late"], ["mine"])
    assert values(answer, "x-content-type-options") == ["nosniff"]


def test_response_that_is_returned_again_gathers_nothing(layers):
    for name in ("one", "two", "none"):
        answer = ask(layers, "GET /shared", f"Origin: https://{name}.example")
        allowed = [] if name == "none" else [f"https://{name}.example"]
        assert values(answer, "access-control-allow-origin") == allowed
        assert values(answer, "vary") == ["Origin"]
        assert values(answer, "content-security-policy") == ["default-src 'self'"]


def test_requests_that_share_a_response_have_each_their_own_fields(layers):
    with Client(layers) as first:
        first.send(request("GET /shared", "X-Request-ID: first", "X-Wait: 1"))
        while told(layers, "GET /waiting") != ["first"]:
            time.sleep(0.02)
        answer = ask(layers, "GET /open", "X-Request-ID: second")
        assert (answer.body, values(answer, "x-request-id")) == (b"pong", ["second"])
        answer = first.read()
        assert (answer.body, values(answer, "x-request-id")) == (b"pong", ["first"])
