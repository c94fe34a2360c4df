"""The access point's DNS server: the protocol on both interpreters, then real datagrams from real resolvers."""

from __future__ import annotations

import random
import socket
import subprocess

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host_tests.servers import HOST, SOCKET_TIMEOUT_S, Server, free_port
from host_tests.vectors import dns as vectors

# Serves until the test makes a file, is cancelled, and serves again at the same place: nothing was left open.
TWICE = """
import asyncio
from firmware.board import dns

async def main(port):
    for address in ("10.0.0.1", "10.0.0.2"):
        task = asyncio.create_task(dns.serve(address, port, "127.0.0.1"))
        await asyncio.sleep(0)
        print("ready")
        while not stopped(address):
            await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            print("cancelled")

def stopped(address):
    try:
        open("%s/" + address).close()
        return True
    except OSError:
        return False

asyncio.run(main(%d))
"""


@pytest.fixture(scope="module")
def nameserver(server_interpreter):
    """The DNS server beside an HTTP server in one loop, as on a board; its UDP port."""
    port = free_port()
    with Server(server_interpreter, f"dns={port}", script="host_tests/apps/setup_app.py") as running:
        running.dns_port = port
        yield running


def ask(port, name, kind="A", **options):
    query = dns.message.make_query(name, kind, **options)
    # dnspython compares id and question, and refuses what is not to the letter.
    answer = dns.query.udp(query, HOST, port=port, timeout=SOCKET_TIMEOUT_S, raise_on_truncation=True)
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.flags & dns.flags.QR and answer.flags & dns.flags.AA
    assert not answer.authority and not answer.additional
    return answer


def addresses(answer):
    return [record.address for rrset in answer.answer for record in rrset]


# -- the protocol


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("dns")


@given(st.binary(max_size=600))
@example(b"")
def test_random_bytes_are_answered_rightly_or_not_at_all(query):
    vectors.check_answer(query, vectors.responder.answer(query))


LABELS = st.binary(min_size=1, max_size=63).map(lambda label: bytes([len(label)]) + label)
NAMES = st.lists(LABELS, max_size=6).map(b"".join) | st.sampled_from([vectors.NAME[:-1], vectors.LONGEST[:-1]])


@given(NAMES, st.binary(min_size=4, max_size=4) | st.just(vectors.A), st.binary(max_size=20), st.data())
def test_damaged_query_is_answered_rightly_or_not_at_all(name, kind, rest, data):
    query = vectors.message(name + b"\0", kind, rest=rest)
    answer = vectors.responder.answer(query)
    assert (answer is not None) == (len(name) < 255)
    vectors.check_answer(query, answer)
    at = data.draw(st.integers(0, len(query)))
    damaged = query[:at] + data.draw(st.binary(max_size=3)) + query[at + data.draw(st.integers(0, 3)) :]
    vectors.check_answer(damaged, vectors.responder.answer(damaged))


def test_answers_are_made_in_one_buffer():
    first = vectors.responder.answer(vectors.message(vectors.NAME))
    second = vectors.responder.answer(vectors.message(vectors.LONGEST))
    assert first.obj is second.obj


@pytest.mark.parametrize("case", [case for case in vectors.CASES if case[2]], ids=lambda case: case[0])
def test_answer_is_one_that_dnspython_reads(case):
    _, query, answer = case
    assert dns.message.from_wire(answer).question == dns.message.from_wire(query, question_only=True).question


# -- datagrams


@pytest.mark.parametrize("name", ["captive.apple.com", "CONNECTIVITYCHECK.gstatic.com", "x.", ".", "a" * 63 + ".test"])
@pytest.mark.parametrize("edns", [None, 0])
def test_every_name_is_ours(nameserver, name, edns):
    answer = ask(nameserver.dns_port, name, use_edns=edns)
    assert addresses(answer) == ["192.168.4.1"]
    assert 0 < answer.answer[0].ttl <= 60


@pytest.mark.parametrize("kind", ["AAAA", "HTTPS", "SVCB", "TXT", "MX", "NS", "SOA", "PTR", "ANY", "TYPE65280"])
def test_other_records_are_not_there(nameserver, kind):
    assert ask(nameserver.dns_port, "captive.apple.com", kind).answer == []


def test_other_class_is_not_there(nameserver):
    assert ask(nameserver.dns_port, "version.bind", "TXT", rdclass="CH").answer == []
    assert ask(nameserver.dns_port, "version.bind", "A", rdclass="CH").answer == []


def test_many_clients_are_answered_each_its_own(nameserver):
    """More queries at once than are answered in a row."""
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
    queries = [dns.message.make_query(f"n{at}.test", "A") for at in range(len(clients))]
    for client, query in zip(clients, queries):
        client.settimeout(SOCKET_TIMEOUT_S)
        client.connect((HOST, nameserver.dns_port))
        client.send(query.to_wire())
    for client, query in zip(clients, queries):
        assert query.is_response(dns.message.from_wire(client.recv(512)))
        client.close()


def test_junk_is_not_answered_and_the_next_query_is(nameserver):
    junk = [query for _, query, answer in vectors.CASES if query is not None and answer is None]
    junk += [random.Random(at).randbytes(at % 600) for at in range(200)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((HOST, nameserver.dns_port))
        client.settimeout(SOCKET_TIMEOUT_S)
        silent = [query for query in junk if vectors.responder.answer(query) is None]
        assert len(silent) > 200
        for at, query in enumerate(silent):
            client.send(query)
            if at % 16 == 0:  # the system's queue holds some datagrams only
                client.send(vectors.message(vectors.NAME, id=b"%2d" % (at % 99)))
                assert client.recv(512)[:2] == b"%2d" % (at % 99)


def test_datagram_longer_than_any_query_is_answered_by_its_start(nameserver):
    query = vectors.message(vectors.NAME, rest=bytes(8000))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(SOCKET_TIMEOUT_S)
        client.sendto(query, (HOST, nameserver.dns_port))
        assert client.recv(9000)[:2] == query[:2]


def test_client_that_is_gone_does_no_harm(nameserver):
    for _ in range(20):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(vectors.message(vectors.NAME), (HOST, nameserver.dns_port))
    assert addresses(ask(nameserver.dns_port, "still.there")) == ["192.168.4.1"]


def test_pages_are_served_beside_a_flood(nameserver):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood, nameserver.connect() as client:
        for _ in range(20):
            for _ in range(50):
                flood.sendto(vectors.message(vectors.NAME), (HOST, nameserver.dns_port))
            client.sendall(b"GET /result HTTP/1.1\r\nHost: limpet.local\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 303 ")


def test_serve_ends_when_cancelled_and_begins_again(interpreter, tmp_path):
    port = free_port()
    command = interpreter.argv("-c", TWICE % (tmp_path, port))
    environment = interpreter.environment()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            for address in ("10.0.0.1", "10.0.0.2"):
                assert process.stdout.readline() == "ready\n"
                assert addresses(ask(port, "limpet.test")) == [address]
                (tmp_path / address).touch()
                assert process.stdout.readline() == "cancelled\n"
            assert process.wait(SOCKET_TIMEOUT_S) == 0
        finally:
            process.kill()


def test_port_that_is_taken_is_an_error(interpreter):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, 0))
        code = "import asyncio; from firmware.board import dns; asyncio.run(dns.serve('1.2.3.4', %d, '%s'))"
        done = interpreter.run("-c", code % (taken.getsockname()[1], HOST), check=False)
    assert done.returncode == 1
    assert "EADDRINUSE" in done.stderr + done.stdout or "in use" in done.stderr
