"""Static files: what is sent, of which version, and that nothing outside of the folder ever is."""

import contextlib
import gzip
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

from host_tests.servers import SOCKET_TIMEOUT_S, Server, read_response, read_responses

SCRIPT = "host_tests/apps/static_app.py"
SIZES = (0, 1, 1023, 1024, 1025, 2879, 2880, 2881, 4096, 262144)
SETTLED_S = 60  # long enough ago for a tag to be kept
TEXT = b"The quick brown limpet.\n" * 200
PAGE = b"<!doctype html><title>Index</title>\n"

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def pattern(size):
    """Return `size` bytes of which none can be lost or doubled unnoticed."""
    return b"".join(b"%07x\n" % at for at in range(size // 8 + 1))[:size]


def put(path, content, age_s=SETTLED_S):
    """Write a file that changed `age_s` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    changed = int(time.time()) - age_s
    os.utime(path, (changed, changed))


def fill(data):
    """Make the folders that the application serves, and what it must not serve beside them."""
    www = data / "www"
    put(www / "index.html", PAGE)
    put(www / "page.html", PAGE * 2)
    put(www / "sub" / "index.html", b"sub index")
    put(www / "sub" / "a b.txt", b"a space")
    put(www / "grüß" / "index.html", b"gruss")
    (www / "empty").mkdir()
    (www / "odd" / "index.html").mkdir(parents=True)
    os.mkfifo(www / "pipe")
    for size in SIZES:
        put(www / f"{size}.bin", pattern(size))
    put(www / "text.txt", TEXT)
    put(www / "text.txt.gz", gzip.compress(TEXT))
    put(www / "stale.txt", TEXT, SETTLED_S)
    put(www / "stale.txt.gz", gzip.compress(b"old"), SETTLED_S + 10)
    put(www / ".env", b"secret")
    put(www / ".git" / "config", b"secret")
    put(www / "back\\slash", b"secret")
    put(data / "secret.txt", b"secret")
    put(data / "www-secret" / "index.html", b"secret")
    put(data / "linked.txt", b"linked to")
    (www / "link.txt").symlink_to(data / "linked.txt")
    (www / "dangling.txt").symlink_to(data / "nothing")
    put(data / "other" / "index.html", b"other index")
    put(data / "other" / "deep" / "index.html", b"deep index")
    put(data / "other" / "style.css", b"p {}")
    put(data / "inner" / "index.html", b"inner index")
    put(data / "inner" / "x.json", b"{}")


@pytest.fixture(scope="module")
def site(server_interpreter, tmp_path_factory):
    """The application, running, with its files."""
    data = tmp_path_factory.mktemp("static")
    fill(data)
    with Server(server_interpreter, script=SCRIPT, data=data) as running:
        yield running


def request(line, *fields):
    lines = [f"{line} HTTP/1.1", "Host: limpet.test", *fields, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def ask(server, line, *fields):
    """Return the one answer to `line`, "METHOD target"."""
    raw = server.raw(request(line, *fields))
    if line.startswith("HEAD "):
        answer = read_response(raw, head=True)
        assert raw.endswith(b"\r\n\r\n") and raw.count(b"\r\n\r\n") == 1
        return answer
    (answer,) = read_responses(raw)
    return answer


def tag_of(server, target, *fields):
    return ask(server, f"HEAD {target}", *fields).header("etag")


# -- whole files


@pytest.mark.parametrize("size", SIZES)
def test_file_comes_byte_for_byte(site, size):
    for _ in range(2):  # its tag made, then kept
        answer = ask(site, f"GET /{size}.bin")
        assert answer.status == 200
        assert answer.header("content-length") == str(size)
        assert answer.body == pattern(size)
        assert answer.header("content-type") == "application/octet-stream"
        assert answer.header("accept-ranges") == "bytes"
        head = ask(site, f"HEAD /{size}.bin")
        assert head.header("etag") == answer.header("etag")
        assert [name for name, _ in head.headers] == [name for name, _ in answer.headers]
        assert head.header("content-length") == str(size)


def test_files_come_one_after_another_on_one_connection(site):
    names = [f"/{size}.bin" for size in SIZES] + ["/", "/page.html"]
    raw = b"".join(f"GET {name} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for name in names)
    answers = read_responses(site.raw(raw + request("GET /1.bin")))
    assert [answer.body for answer in answers] == [*map(pattern, SIZES), PAGE, PAGE * 2, pattern(1)]


def test_slow_reader_gets_a_megabyte(site):
    content = pattern(1 << 20)
    put(site.data / "www" / "slow.bin", content)
    with socket.socket() as client:
        client.settimeout(SOCKET_TIMEOUT_S)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect((site.host, site.port))
        client.sendall(request("GET /slow.bin"))
        raw = bytearray()
        while True:
            piece = client.recv(40000)
            if not piece:
                break
            raw += piece
            time.sleep(0.01)
            if len(raw) % 7 == 0:
                assert ask(site, "GET /1.bin").body == pattern(1)  # nobody else waits for it
    (answer,) = read_responses(bytes(raw))
    assert answer.body == content


@pytest.mark.parametrize(
    "target, content",
    [
        ("/", PAGE),
        ("/index.html", PAGE),
        ("/?x=1", PAGE),
        ("/sub/", b"sub index"),
        ("/sub/index.html?x", b"sub index"),
        ("/sub%2Findex.html", b"sub index"),
        ("/sub/a%20b.txt", b"a space"),
        ("/gr%C3%BC%C3%9F/", b"gruss"),
        ("/link.txt", b"linked to"),  # whoever can make a link in the folder can put the file there
        ("/mounted/", b"other index"),
        ("/mounted/deep/", b"deep index"),
        ("/sub/files/", b"inner index"),
        ("/sub/files/x.json", b"{}"),
        ("http://limpet.test/page.html", PAGE * 2),
        ("http://limpet.test", PAGE),
    ],
)
def test_address_names_a_file(site, target, content):
    answer = ask(site, f"GET {target}")
    assert (answer.status, answer.body) == (200, content)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.min.JS", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.ico", "image/x-icon"),
        ("a.woff2", "font/woff2"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.gz", "application/gzip"),
        ("a.unknown", "application/octet-stream"),
        ("css", "application/octet-stream"),
        ("noext", "application/octet-stream"),
        ("a.", "application/octet-stream"),
        ("a.s", "application/octet-stream"),
    ],
)
def test_type_follows_the_name(site, name, expected):
    put(site.data / "www" / "types" / name, b"x")
    answer = ask(site, f"GET /types/{name}")
    assert (answer.status, answer.header("content-type")) == (200, expected)


def test_cache_control_follows_the_folder(site):
    assert ask(site, "GET /page.html").header("cache-control") == "no-cache"
    assert ask(site, "GET /mounted/style.css").header("cache-control") == "max-age=3600"
    tag = tag_of(site, "/mounted/style.css")
    assert ask(site, "GET /mounted/style.css", f"If-None-Match: {tag}").header("cache-control") == "max-age=3600"


# -- versions


def test_tag_is_strong_and_follows_the_content(site):
    path = site.data / "www" / "changing.txt"
    put(path, b"first")
    first = tag_of(site, "/changing.txt")
    assert re.fullmatch(r'"[!#-~]+"', first)
    assert tag_of(site, "/changing.txt") == first
    put(path, b"first", SETTLED_S // 2)
    assert tag_of(site, "/changing.txt") == first
    put(path, b"other size", SETTLED_S // 2)
    answer = ask(site, "GET /changing.txt", f"If-None-Match: {first}")
    assert (answer.status, answer.body) == (200, b"other size")
    assert answer.header("etag") not in (None, first)


@pytest.mark.parametrize("packed", (False, True))
def test_tag_changes_within_the_second_of_a_change(site, packed):
    path = site.data / "www" / f"quick{packed}.txt"
    fields = ("Accept-Encoding: gzip",) if packed else ()
    if packed:
        put(path, b"plain")
        path = path.with_name(path.name + ".gz")
    seen = set()
    for number in range(5):
        content = gzip.compress(b"plain", mtime=number) if packed else b"%d" % number
        put(path, content, 0)
        answer = ask(site, f"GET /quick{packed}.txt", *fields)
        assert answer.body == content
        seen.add(answer.header("etag"))
    assert len(seen) == 5


CONDITIONS = [
    # field, with TAG for the file's; status to a GET
    ("If-None-Match: TAG", 304),
    ("If-None-Match: W/TAG", 304),
    ('If-None-Match: "x", TAG', 304),
    ('If-None-Match: "x" , W/TAG, "y"', 304),
    ("If-None-Match: *", 304),
    ('If-None-Match: "x"', 200),
    ("If-None-Match: junk", 200),
    ("If-Match: TAG", 200),
    ('If-Match: "x", TAG', 200),
    ("If-Match: *", 200),
    ("If-Match: W/TAG", 412),
    ('If-Match: "x"', 412),
    ("If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT", 200),
    ('If-Match: "x"\r\nIf-None-Match: TAG', 412),
    ("If-Match: TAG\r\nIf-None-Match: TAG", 304),
    ("If-None-Match: TAG\r\nRange: bytes=0-1", 304),
    ('If-Match: "x"\r\nRange: bytes=0-1', 412),
    ("If-Match: TAG\r\nRange: bytes=0-1", 206),
]


@pytest.mark.parametrize("field, status", CONDITIONS)
def test_condition_is_kept(site, field, status):
    tag = tag_of(site, "/4096.bin")
    field = field.replace("TAG", tag)
    answer = ask(site, "GET /4096.bin", field)
    assert answer.status == status
    assert answer.header("etag") == tag
    if status == 304:
        assert answer.header("content-length") in (None, "4096")
        assert answer.header("cache-control") == "no-cache"
    if status == 200:
        assert answer.body == pattern(4096)
    assert ask(site, "HEAD /4096.bin", field).status == (200 if status == 206 else status)


def test_condition_on_what_is_not_there_is_404(site):
    assert ask(site, "GET /nothing", "If-Match: *").status == 404
    assert ask(site, "GET /nothing", "If-None-Match: *").status == 404


# -- ranges


RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=0-4095", 0, 4096),
    ("bytes=1-2", 1, 3),
    ("BYTES=10-19", 10, 20),
    ("bytes=4095-", 4095, 4096),
    ("bytes=2880-", 2880, 4096),
    ("bytes=0-", 0, 4096),
    ("bytes=-1", 4095, 4096),
    ("bytes=-3000", 1096, 4096),
    ("bytes=-9999", 0, 4096),
    ("bytes=4000-9999", 4000, 4096),
    ("bytes=4000-99999999999", 4000, 4096),
]


@pytest.mark.parametrize("field, first, end", RANGES)
def test_range_is_sent(site, field, first, end):
    answer = ask(site, "GET /4096.bin", f"Range: {field}")
    assert answer.status == 206
    assert answer.header("content-range") == f"bytes {first}-{end - 1}/4096"
    assert answer.header("content-length") == str(end - first)
    assert answer.body == pattern(4096)[first:end]
    assert answer.header("etag") == tag_of(site, "/4096.bin")
    head = ask(site, "HEAD /4096.bin", f"Range: {field}")  # RFC 9110 14.2: for GET only
    assert (head.status, head.header("content-length"), head.header("content-range")) == (200, "4096", None)


@pytest.mark.parametrize(
    "field", ("bytes=0-1,3-4", "bytes=2-1", "bytes=x-", "bytes=-", "bytes", "lines=1-2", "bytes=+1-2")
)
def test_range_that_is_none_gets_the_whole(site, field):
    answer = ask(site, "GET /4096.bin", f"Range: {field}")
    assert (answer.status, answer.header("content-range"), answer.body) == (200, None, pattern(4096))


@pytest.mark.parametrize("field", ("bytes=4096-", "bytes=4096-5000", "bytes=99999999999-", "bytes=-0"))
def test_range_behind_the_end_is_416(site, field):
    answer = ask(site, "GET /4096.bin", f"Range: {field}")
    assert (answer.status, answer.header("content-range")) == (416, "bytes */4096")
    assert ask(site, "HEAD /4096.bin", f"Range: {field}").status == 200


def test_range_of_an_empty_file(site):
    assert ask(site, "GET /0.bin", "Range: bytes=0-").status == 416
    assert ask(site, "GET /0.bin", "Range: bytes=-5").status in (200, 416)


@pytest.mark.parametrize(
    "if_range, status",
    [("TAG", 206), ("W/TAG", 200), ('"x"', 200), ("Sat, 01 Jan 2050 00:00:00 GMT", 200)],
)
def test_if_range_decides(site, if_range, status):
    if_range = if_range.replace("TAG", tag_of(site, "/4096.bin"))
    answer = ask(site, "GET /4096.bin", "Range: bytes=5-9", f"If-Range: {if_range}")
    assert (answer.status, answer.body) == (status, pattern(4096)[5:10] if status == 206 else pattern(4096))
    if status == 200:
        assert ask(site, "GET /4096.bin", "Range: bytes=9999-", f"If-Range: {if_range}").status == 200


def test_ranges_put_together_are_the_file(site):
    size, step = 262144, 50001
    parts = [ask(site, "GET /262144.bin", f"Range: bytes={at}-{at + step - 1}").body for at in range(0, size, step)]
    assert b"".join(parts) == pattern(size)


# -- compressed variants


@pytest.mark.parametrize(
    "accept, packed",
    [
        (None, False),
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("deflate, gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=1.0, identity;q=0.5", True),
        ("gzip;q=0.001", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("*;q=0", False),
        ("identity", False),
        ("deflate", False),
        ("nogzip", False),
        ("\xff, gzip", True),
        ("gzip\xff", False),
        ("", False),
    ],
)
def test_compressed_variant_goes_to_who_takes_it(site, accept, packed):
    fields = () if accept is None else (f"Accept-Encoding: {accept}",)
    answer = ask(site, "GET /text.txt", *fields)
    assert (answer.status, answer.header("content-type")) == (200, "text/plain; charset=utf-8")
    assert answer.header("content-encoding") == ("gzip" if packed else None)
    assert answer.header("vary").lower() == "accept-encoding"
    assert (gzip.decompress(answer.body) if packed else answer.body) == TEXT
    tag = answer.header("etag")
    again = ask(site, "GET /text.txt", *fields, f"If-None-Match: {tag}")
    assert (again.status, again.header("vary"), again.header("etag")) == (304, "Accept-Encoding", tag)


def test_variants_have_tags_of_their_own(site):
    plain = tag_of(site, "/text.txt")
    packed = tag_of(site, "/text.txt", "Accept-Encoding: gzip")
    assert plain != packed
    assert ask(site, "GET /text.txt", f"If-None-Match: {packed}").status == 200
    assert ask(site, "GET /text.txt", "Accept-Encoding: gzip", f"If-Match: {plain}").status == 412


def test_range_of_the_compressed_variant(site):
    packed = (site.data / "www" / "text.txt.gz").read_bytes()
    answer = ask(site, "GET /text.txt", "Accept-Encoding: gzip", "Range: bytes=3-9")
    assert (answer.status, answer.body, answer.header("content-encoding")) == (206, packed[3:10], "gzip")
    assert answer.header("content-range") == f"bytes 3-9/{len(packed)}"
    assert answer.header("vary") == "Accept-Encoding"


def test_compressed_variant_that_is_older_is_not_sent(site):
    answer = ask(site, "GET /stale.txt", "Accept-Encoding: gzip")
    assert (answer.body, answer.header("content-encoding"), answer.header("vary")) == (TEXT, None, None)


@pytest.mark.parametrize("age_s", [800_000_000, SETTLED_S, -300_000_000])
def test_compressed_variant_is_believed_by_its_content_alone(site, age_s):
    """Written while the clock is not set, a file seems older than what was there before; or newer by years."""
    path = site.data / "www" / f"clock{age_s}.txt"
    packed = path.with_name(path.name + ".gz")
    accept = "Accept-Encoding: gzip"
    for new in (b"new", b"old content"):
        put(path, new, age_s)
        put(packed, gzip.compress(b"old content"))
        answer = ask(site, f"GET /{path.name}", accept)
        packs = "gzip" if new == b"old content" else None
        assert (answer.header("content-encoding"), answer.header("vary")) == (packs, packs and "Accept-Encoding")
        assert (gzip.decompress(answer.body) if packs else answer.body) == new


@pytest.mark.parametrize(
    "content",
    [b"", b"x", TEXT[:17], gzip.compress(TEXT, mtime=0)[:-1], gzip.compress(TEXT, mtime=0) + b"\0"],
    ids=["empty", "short", "text", "cut", "longer"],
)
def test_compressed_variant_that_is_none_is_not_sent(site, content):
    path = site.data / "www" / f"none{len(content)}.txt"
    put(path, TEXT)
    put(path.with_name(path.name + ".gz"), content)
    answer = ask(site, f"GET /{path.name}", "Accept-Encoding: gzip")
    assert (answer.body, answer.header("content-encoding")) == (TEXT, None)


def test_compressed_file_by_its_own_name(site):
    answer = ask(site, "GET /text.txt.gz", "Accept-Encoding: gzip")
    assert (answer.header("content-type"), answer.header("content-encoding")) == ("application/gzip", None)
    assert gzip.decompress(answer.body) == TEXT


def test_compressed_variant_comes_and_goes(site):
    path = site.data / "www" / "variant.txt"
    packed = path.with_name("variant.txt.gz")
    accept = "Accept-Encoding: gzip"
    put(path, TEXT)
    put(packed, gzip.compress(TEXT))
    assert ask(site, "GET /variant.txt", accept).header("content-encoding") == "gzip"
    packed.unlink()
    answer = ask(site, "GET /variant.txt", accept)
    assert (answer.status, answer.body, answer.header("content-encoding")) == (200, TEXT, None)
    put(path, b"new", SETTLED_S // 2)
    put(packed, gzip.compress(b"new"), SETTLED_S // 2)
    answer = ask(site, "GET /variant.txt", accept)
    assert gzip.decompress(answer.body) == b"new"
    put(path, b"newer", SETTLED_S // 3)
    answer = ask(site, "GET /variant.txt", accept)
    assert (answer.body, answer.header("content-encoding")) == (b"newer", None)
    put(packed, gzip.compress(b"newer"), SETTLED_S // 4)
    put(path, b"newer", SETTLED_S // 4)
    assert gzip.decompress(ask(site, "GET /variant.txt", accept).body) == b"newer"
    put(packed, gzip.compress(b"newer", 1, mtime=5), SETTLED_S // 5)
    assert gzip.decompress(ask(site, "GET /variant.txt", accept).body) == b"newer"


# -- where it leads elsewhere


@pytest.mark.parametrize(
    "target, location",
    [
        ("/sub?x=1&y=%20", "/sub/?x=1&y=%20"),
        ("/empty", "/empty/"),
        ("/gr%C3%BC%C3%9F", "/gr%C3%BC%C3%9F/"),
        ("/mounted", "/mounted/"),
        ("/mounted?a=b", "/mounted/?a=b"),
        ("/mounted/deep", "/mounted/deep/"),
        ("/mounted/deep?q", "/mounted/deep/?q"),
        ("/sub/files", "/sub/files/"),
        ("http://limpet.test/sub?x", "/sub/?x"),
    ],
)
def test_folder_without_its_slash_redirects(site, target, location):
    for method in ("GET", "HEAD"):
        answer = ask(site, f"{method} {target}")
        assert (answer.status, answer.header("location")) == (301, location)


@pytest.mark.parametrize(
    "target",
    [
        "/..",
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/sub/../page.html",
        "/./page.html",
        "/%2e%2e/secret.txt",
        "/%2E%2E%2Fsecret.txt",
        "/.%2e/secret.txt",
        "/..%2fsecret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..\\secret.txt",
        "/back%5Cslash",
        "/%252e%252e/secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/page.html%00",
        "/page.html%00.txt",
        "/%00",
        "/page.html%0a",
        "//page.html",
        "//limpet.test/page.html",
        "/sub//index.html",
        "/sub//",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/%2Fetc%2Fpasswd",
        "//sub",
        "/C:/secret.txt",
        "/page.html:stream",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/.git",
        "/sub/.",
        "/sub/..",
        "/page.html/",
        "/page.html/x",
        "/empty/",
        "/odd/",
        "/pipe",
        "/dangling.txt",
        "/-secret/",
        "/www-secret/",
        "/mounted/../www/page.html",
        "/mounted/%2e%2e/secret.txt",
        "/mounted//style.css",
        "/mountedstyle.css",
        "/sub/files/../../secret.txt",
        "/" + "a" * 300,
        "/" + "a/" * 400,
    ],
)
def test_path_leads_nowhere_else(site, target):
    for method in ("GET", "HEAD", "POST"):
        answer = ask(site, f"{method} {target}")
        assert answer.status in (400, 404), target
        assert b"secret" not in answer.body.replace(b"secret.txt", b"")
        assert answer.header("location") is None


def test_root_folder_is_not_left_at_the_prefix(site):
    answer = ask(site, "GET /mounted%2F")
    assert (answer.status, answer.body) == (200, b"other index")


@pytest.mark.parametrize("method", ("POST", "PUT", "PATCH", "DELETE"))
@pytest.mark.parametrize("target", ("/page.html", "/", "/sub", "/mounted"))
def test_method_that_files_do_not_have_is_405(site, method, target):
    answer = ask(site, f"{method} {target}", "Content-Length: 0")
    assert answer.status == 405
    assert set(answer.header("allow").split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert ask(site, f"{method} /nothing.html", "Content-Length: 0").status == 404


def test_options_tells_the_methods(site):
    answer = ask(site, "OPTIONS /page.html")
    assert (answer.status, set(answer.header("allow").split(", "))) == (204, {"GET", "HEAD", "OPTIONS"})


def test_route_wins_over_files(site):
    put(site.data / "www" / "api", b"a file")
    assert json.loads(ask(site, "GET /api").body) == {"api": True}


# -- files that change while they are served


def test_file_that_vanished_is_404_until_it_is_back(site):
    path = site.data / "www" / "vanishing.txt"
    for _ in range(2):
        put(path, b"here")
        assert ask(site, "GET /vanishing.txt").body == b"here"
        path.unlink()
        assert [ask(site, "GET /vanishing.txt").status for _ in range(2)] == [404, 404]
    path.mkdir()
    assert ask(site, "GET /vanishing.txt").status in (301, 404)
    path.rmdir()


def test_file_that_becomes_a_folder_is_not_a_failure(site):
    path = site.data / "www" / "turning"
    put(path, b"a file")
    assert ask(site, "GET /turning").status == 200
    path.unlink()
    path.mkdir()
    assert ask(site, "GET /turning").status in (301, 404)


@pytest.mark.parametrize("change", ("unlink", "truncate"))
def test_file_that_goes_while_it_is_sent(site, change):
    path = site.data / "www" / f"{change}.bin"
    content = pattern(8 << 20)
    put(path, content)
    tag_of(site, f"/{change}.bin")
    with site.connect() as client:
        client.sendall(request(f"GET /{change}.bin"))
        raw = client.recv(1000)
        if change == "unlink":
            path.unlink()
        else:
            os.truncate(path, 10000)
        try:
            while True:
                piece = client.recv(1 << 20)
                if not piece:
                    break
                raw += piece
        except ConnectionResetError:
            pass
    head, body = raw.split(b"\r\n\r\n", 1)
    assert b"Content-Length: %d" % len(content) in head
    if change == "unlink":
        assert body == content  # who has it open reads it to its end
    else:
        assert len(body) < len(content), "padded"
        assert content.startswith(body)
    assert ask(site, "GET /1.bin").status == 200


def test_file_that_grows_keeps_to_the_length_that_was_told(site):
    path = site.data / "www" / "growing.bin"
    content = pattern(4 << 20)
    put(path, content)
    tag_of(site, "/growing.bin")
    with site.connect() as client:
        client.sendall(request("GET /growing.bin"))
        # Its length has been told.
        client.recv(1, socket.MSG_PEEK)
        with open(path, "ab") as file:
            file.write(b"more")
        assert read_response(client).body == content
        assert client.recv(1) == b""


def test_two_first_requests_of_one_big_file(site):
    content = pattern(1 << 20)
    for _ in range(3):
        put(site.data / "www" / "both.bin", content)
        with site.connect() as one, site.connect() as other:
            one.sendall(request("GET /both.bin"))
            other.sendall(request("GET /both.bin"))
            answers = {}

            def read(client, answers=answers):
                answers[client] = read_response(client)

            thread = threading.Thread(target=read, args=(one,))
            thread.start()
            read(other)
            thread.join(SOCKET_TIMEOUT_S)
            assert [answer.body == content for answer in answers.values()] == [True, True]
            assert len({answer.header("etag") for answer in answers.values()}) == 1
        content = content[::-1]


def test_others_are_served_while_a_tag_is_made(site):
    put(site.data / "www" / "hashed.bin", pattern(4 << 20))
    with site.connect() as client:
        client.sendall(request("HEAD /hashed.bin"))
        assert ask(site, "GET /api").status == 200
        assert read_response(client, head=True).status == 200


# -- resources


@linux
def test_every_file_is_closed(start_server, site):
    server = start_server("silence_ms=500", script=SCRIPT, data=site.data)
    folder = f"/proc/{server.process.pid}/fd"

    def open_files():
        found = []
        for fd in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                found.append(os.readlink(f"{folder}/{fd}"))
        return [name for name in found if name.startswith(str(site.data))]

    tag = tag_of(server, "/262144.bin")
    for fields in ((), ("Range: bytes=5-",), (f"If-None-Match: {tag}",), ("Range: bytes=9999999-",), ("If-Match: *",)):
        for method in ("GET", "HEAD", "POST"):
            ask(server, f"{method} /262144.bin", *fields)
            ask(server, f"{method} /text.txt", "Accept-Encoding: gzip", *fields)
    ask(server, "GET /odd/")
    assert open_files() == []
    put(site.data / "www" / "left.bin", pattern(8 << 20))
    clients = [server.connect() for _ in range(4)]
    for client in clients:
        client.sendall(request("GET /left.bin"))
        assert client.recv(10)
    assert len(open_files()) == 4  # ... and they are seen at all
    for client in clients[:2]:
        client.close()
    deadline = time.monotonic() + 10  # the other two take nothing more: silence
    while open_files() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert open_files() == []
    for client in clients[2:]:
        client.close()


@pytest.mark.interpreters("amd64")
def test_memory_does_not_grow_with_the_file(start_server, tmp_path):
    content = pattern(5 << 20)
    put(tmp_path / "www" / "big.bin", content)
    for name in ("inner", "other"):
        (tmp_path / name).mkdir()
    server = start_server(
        "connections=6",
        script=SCRIPT,
        data=tmp_path,
        heapsize="256k",
    )
    for _ in range(2):
        assert ask(server, "GET /big.bin").body == content
    assert ask(server, "GET /big.bin", "Range: bytes=-100000").body == content[-100000:]
    assert "MemoryError" not in server.output()


def test_compressed_file_is_looked_at_by_many_at_once(start_server, tmp_path):
    """Nobody has asked for it yet; looking at 400 KB takes several turns, and each gets one answer of a whole file."""
    content = random.Random(7).randbytes(200_000).hex().encode()
    for name in ("www", "inner", "other"):
        (tmp_path / name).mkdir()
    for number in range(15):
        put(tmp_path / "www" / f"{number}.js", content)
        put(tmp_path / "www" / f"{number}.js.gz", gzip.compress(content))
    server = start_server("connections=6", script=SCRIPT, data=tmp_path, heapsize="16m")
    for number in range(15):
        clients = [server.connect() for _ in range(6)]
        for client in clients:
            line = f"GET /{number}.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n"
            client.sendall(line.encode())
            time.sleep(0.003)  # the one looks while the next begins to
        answers = [read_response(client) for client in clients]
        assert {answer.status for answer in answers} == {200}
        for answer in answers:
            is_packed = answer.header("content-encoding") == "gzip"
            assert (gzip.decompress(answer.body) if is_packed else answer.body) == content


# -- a client that is not ours


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_agrees(site, tmp_path):
    def curl(*args):
        return subprocess.run(["curl", "-sS", "--max-time", "10", *args], check=True, capture_output=True).stdout

    assert curl("--compressed", site.url + "text.txt") == TEXT
    assert curl("-r", "100-199", site.url + "262144.bin") == pattern(262144)[100:200]
    assert curl("-r", "-7", site.url + "262144.bin") == pattern(262144)[-7:]
    assert curl("-L", site.url + "mounted/deep") == b"deep index"
    assert b"200 OK" in curl("-I", site.url + "page.html")
    part = tmp_path / "part"
    part.write_bytes(pattern(262144)[:100000])
    curl("-C", "-", "-o", str(part), site.url + "262144.bin")
    assert part.read_bytes() == pattern(262144)
    tags = str(tmp_path / "tag")
    assert curl("--etag-save", tags, site.url + "page.html") == PAGE * 2
    assert curl("--etag-compare", tags, "-w", "%{http_code}", site.url + "page.html") == b"304"


def test_nothing_went_wrong_on_the_console(site):
    assert "Traceback" not in site.output()
