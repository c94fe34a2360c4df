"""HTTPS with real clients, under both interpreters; and the command that makes the certificate."""

import asyncio
import contextlib
import os
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time

import httpx
import pytest
import websockets

from host_tests.browser import ARGUMENTS, executable
from host_tests.server.test_connection import request
from host_tests.server.test_listener import cpu_ticks, linux
from host_tests.server.test_websocket import HANDSHAKE
from host_tests.servers import free_port, read_response
from host_tests.vectors.websocket import text
from tools import __main__ as tools
from tools import cert

APP = "host_tests/apps/secure.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a certificate in it, made by the command."""
    folder = tmp_path_factory.mktemp("tls")
    assert tools.main(["cert", "--out", str(folder), "limpet.local", "127.0.0.1"]) == 0
    return folder


@pytest.fixture(scope="module")
def trust(folder):
    """Return what makes a client trust that certificate and no other."""
    context = ssl.create_default_context(cafile=str(folder / "both.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def start_secure(start_server, folder):
    """Return a function that starts a server behind TLS; its `plain_port` redirects to it."""

    def start(*words):
        plain_port = free_port()
        server = start_server(f"redirect={plain_port}", *words, script=APP, data=folder)
        server.plain_port = plain_port
        server.address = f"https://127.0.0.1:{server.port}/"
        return server

    return start


@pytest.fixture
def secure(start_secure):
    return start_secure()


def curl(folder, *arguments):
    done = subprocess.run(
        ["curl", "-sS", "-m", "20", "--cacert", folder / "both.pem", *map(str, arguments)], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_gets_small_and_large_answers(secure, folder):
    assert curl(folder, secure.address + "json", secure.address + "async") == b'{"hello": "world"}{"path": "/async"}'
    assert len(curl(folder, secure.address + "size/300000")) == 300000
    assert len(curl(folder, "--limit-rate", "400k", secure.address + "size/300000")) == 300000
    assert curl(folder, secure.address + "rows") == b"".join(b"%d\n" % number for number in range(1000))


def test_curl_sends_a_body(secure, folder, tmp_path):
    (tmp_path / "body").write_bytes(bytes(range(256)) * 30)
    assert curl(folder, "--data-binary", f"@{tmp_path / 'body'}", secure.address + "echo") == bytes(range(256)) * 30


def test_httpx_keeps_a_connection(secure, trust):
    with httpx.Client(verify=trust) as client:
        for _ in range(20):
            assert client.get(secure.address + "json").json() == {"hello": "world"}
        assert client.get(secure.address + "state").json()["counters"]["accepted"] <= 2


def test_pipelined_requests_in_one_record_are_all_answered(secure, trust):
    plain = socket.create_connection(("127.0.0.1", secure.port), timeout=120)
    with trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(b"GET /json HTTP/1.1\r\nHost: x\r\n\r\n" * 99)
        for _ in range(99):
            assert read_response(connection.makefile("rb", buffering=0)).status == 200


def test_websocket_goes_through(secure, trust):
    async def converse():
        async with websockets.connect(secure.address.replace("https", "wss") + "ws", ssl=trust) as connection:
            for message in ("grüß Gott", b"\x00" * 3000, "x" * 4000):
                await connection.send(message)
                assert await connection.recv() == message

    asyncio.run(asyncio.wait_for(converse(), 20))


@pytest.mark.parametrize(
    ("host", "target", "location"),
    [
        ("limpet.local", "/json?a=1&b", "https://limpet.local:{port}/json?a=1&b"),
        ("127.0.0.1:80", "/", "https://127.0.0.1:{port}/"),
        ("[::1]:80", "/%C3%BC", "https://[::1]:{port}/%C3%BC"),
        ("limpet.local", "http://limpet.local/a?b=1", "https://limpet.local:{port}/a?b=1"),
        ("limpet.local", "//evil.example/", "https://limpet.local:{port}//evil.example/"),
    ],
)
def test_plain_port_redirects(secure, host, target, location):
    with socket.create_connection(("127.0.0.1", secure.plain_port), timeout=120) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = read_response(connection)
        assert connection.recv(1) == b""
    assert (answer.status, answer.header("location")) == (301, location.format(port=secure.port))


def test_plain_port_sends_nobody_to_a_foreign_host(start_server, folder, tmp_path):
    """The shipped site: whoever asks by a name that is not ours is not sent there."""
    data = tmp_path / "data"
    shutil.copytree(folder, data / "tls")
    secure_port = free_port()
    server = start_server("--tls-port", secure_port, data=data)
    for host, status in (("limpet.local", 301), ("127.0.0.1", 301), ("evil.example", 421), ("evil.example:80", 421)):
        answer = read_response(server.raw(f"GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()))
        assert (answer.status, "evil" in str(answer.headers)) == (status, False), host
        if status == 301:
            assert answer.header("location") == f"https://{host}:{secure_port}/a"


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"GET x HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_plain_port_refuses_what_is_no_request(secure, data):
    with socket.create_connection(("127.0.0.1", secure.plain_port), timeout=120) as connection:
        connection.sendall(data)
        assert read_response(connection).status == 400


def test_browser_follows_the_redirect(secure, folder):
    answer = curl(folder, "-L", "-w", "%{num_redirects}", f"http://127.0.0.1:{secure.plain_port}/json")
    assert answer == b'{"hello": "world"}1'


def test_plain_request_on_the_secure_port_harms_nobody(secure, trust):
    for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 100, b""):
        # It may be reset at any time: bytes that nobody could read are left.
        connection = socket.create_connection(("127.0.0.1", secure.port), timeout=120)
        with connection, contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1000):
                pass
    assert httpx.get(secure.address + "json", verify=trust).json() == {"hello": "world"}


def test_silent_handshakes_end_and_keep_nobody_out(start_server, folder, trust):
    server = start_server("connections=4", "head_ms=1000", script=APP, data=folder)
    silent = [socket.create_connection(("127.0.0.1", server.port), timeout=120) for _ in range(6)]
    deadline = time.monotonic() + 15
    while True:
        # Until then there are refusals, or ends.
        with contextlib.suppress(httpx.TransportError, ValueError):
            if httpx.get(f"https://127.0.0.1:{server.port}/state", verify=trust, timeout=5).json()["busy"] == 1:
                break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for connection in silent:
        connection.close()


def test_silent_clients_of_the_plain_port_make_room(start_server, folder):
    plain_port = free_port()
    words = (f"redirect={plain_port}", "connections=2", "head_ms=60000")
    start_server(*words, script=APP, data=folder)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(socket.create_connection(("127.0.0.1", plain_port), timeout=120))
        # Whoever came within the same sweep has not had the time to ask.
        time.sleep(1.2)
        with socket.create_connection(("127.0.0.1", plain_port), timeout=120) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_response(connection).status == 301


@linux
def test_plain_port_without_descriptors_backs_off_and_recovers(start_secure, trust):
    # Linux refuses to poll with a table that is wider than the limit, and with TLS that of MicroPython is.
    secure = start_secure("files=100")
    pid = secure.process.pid
    with httpx.Client(verify=trust) as client, contextlib.ExitStack() as stack:
        assert client.get(secure.address + "json").status_code == 200
        used = max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, hard))
        before = cpu_ticks(pid)
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", secure.plain_port), timeout=120))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1.6)
        assert 0 < client.get(secure.address + "state").json()["counters"]["errors"] <= 4
        assert cpu_ticks(pid) - before < 0.8 * os.sysconf("SC_CLK_TCK"), "it spins"
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert read_response(connection).status == 301


@linux
def test_websocket_that_says_more_than_its_handler_takes_keeps_nothing_busy(secure, trust):
    """A record of TLS holds more than is read at once; what is left of it must not wake who does not read."""
    pid = secure.process.pid
    plain = socket.create_connection(("127.0.0.1", secure.port), timeout=120)
    with trust.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(request("GET /ws/slow", *HANDSHAKE) + text(b"x" * 100) * 100)
        assert read_response(connection).status == 101
        time.sleep(0.3)
        before = cpu_ticks(pid)
        time.sleep(1.5)
        assert cpu_ticks(pid) - before < 0.15 * os.sysconf("SC_CLK_TCK"), "it spins"


def test_many_clients_at_once_are_all_served(secure, trust):
    answers = []

    def ask():
        answers.append(httpx.get(secure.address + "json", verify=trust, timeout=120).status_code)

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 24


# -- the certificate


def test_certificate_is_for_its_names_alone(folder):
    from cryptography import x509

    names = x509.load_der_x509_certificate((folder / "cert.der").read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["limpet.local"]
    assert [str(address) for address in names.value.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in ("key.der", "both.pem"))


@pytest.mark.parametrize(
    ("arguments", "status"), [(["grüß"], 1), (["--days", "0"], 2), (["--out", "/dev/null/x"], 1), (["--colour"], 2)]
)
def test_wrong_use_is_told_in_one_line(arguments, status, capsys):
    try:
        got = tools.main(["cert", *arguments])
    except SystemExit as end:
        got = end.code
    assert got == status
    assert capsys.readouterr().err.strip().count("\n") <= 5


def test_made_again_it_replaces_the_old_one(tmp_path):
    cert.write(tmp_path, cert.make(("a.local",)))
    old = (tmp_path / "key.der").read_bytes()
    cert.write(tmp_path, cert.make(("a.local",)))
    assert (tmp_path / "key.der").read_bytes() != old


def test_chromium_follows_to_the_secure_page(secure, tmp_path):
    trusting = ["--ignore-certificate-errors", f"--user-data-dir={tmp_path}", *ARGUMENTS]
    page = f"http://127.0.0.1:{secure.plain_port}/json"
    done = subprocess.run(
        [executable(), "--headless", *trusting, "--dump-dom", page], capture_output=True, text=True, timeout=600
    )
    assert '{"hello": "world"}' in done.stdout, done.stderr
