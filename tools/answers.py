"""A strict reader of HTTP/1.1 answers: what RFC 9112 does not allow a server to send is an AssertionError.

answer = read_response(sock)        answer.status, answer.header("content-type"), answer.body
"""

from __future__ import annotations

import io
import re
import socket


class Response:
    """An answer: `version` (1, 1), `status`, `reason`, `headers` and `trailers` [(lower-case name, value)], `body`."""

    def __init__(self, version, status, reason, headers):
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = b""
        self.trailers = []

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason} {self.headers} {self.body[:200]!r}>"

    def header(self, name: str) -> str | None:
        """Return the value of the header, those of repeated ones joined by commas, or None."""
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else None


def read_response(source, head: bool = False) -> Response:
    """Read one response from a socket, a binary file or bytes, and not a byte more (unless only the end ends it).

    `head`: it answers a HEAD request, so it has no body. Anything that RFC 9112 does not allow a server to send, or
    an end before the end, is an AssertionError. Interim (1xx) responses are returned like others.
    """
    if isinstance(source, (bytes, bytearray)):
        source = io.BytesIO(source)
    if isinstance(source, socket.socket):
        # Unbuffered: what follows this response stays in the socket.
        with source.makefile("rb", buffering=0) as stream:
            return _read_response(stream, head)
    return _read_response(source, head)


def read_responses(data: bytes) -> list[Response]:
    """Return all responses in `data`, which has to end with the last of them."""
    stream = io.BytesIO(data)
    responses = []
    while stream.tell() < len(data):
        responses.append(read_response(stream))
    return responses


def _read_response(stream, head: bool) -> Response:
    line = _read_line(stream)
    match = re.fullmatch(r"HTTP/(1)\.([01]) ([1-5][0-9]{2}) ([\t\x20-\x7e]*)", line)
    assert match, f"not a status line: {line!r}"
    major, minor, status, reason = match.groups()
    response = Response((int(major), int(minor)), int(status), reason, _read_fields(stream))
    lengths = [value for name, value in response.headers if name == "content-length"]
    coding = response.header("transfer-encoding")
    bodiless = response.status < 200 or response.status == 204
    assert not (bodiless and (lengths or coding)), f"{status} must not tell a length: {response.headers}"
    assert not (lengths and coding), f"both lengths: {response.headers}"
    assert len(lengths) < 2, f"two lengths: {lengths}"
    if lengths:
        assert re.fullmatch(r"0|[1-9][0-9]*", lengths[0]), f"not a length: {lengths[0]!r}"
    if coding:
        assert coding == "chunked", f"not a framing we asked for: {coding!r}"
        assert response.version == (1, 1), "chunks in HTTP/1.0"
    if head or bodiless or response.status == 304:
        return response
    if coding:
        response.body, response.trailers = _read_chunks(stream)
    elif lengths:
        response.body = _read_exactly(stream, int(lengths[0]))
    else:
        connection = (response.header("connection") or "").lower()
        assert "close" in connection or response.version == (1, 0), f"nothing tells the body's end: {response.headers}"
        while True:
            piece = stream.read(65536)
            if not piece:
                break
            response.body += piece
    return response


# RFC 9110 5.1 and 5.5: a token, then a value without control characters.
FIELD = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):"
    r"[ \t]*((?:[\x21-\x7e\x80-\xff][\t\x20-\x7e\x80-\xff]*)?)"
)


def _read_fields(stream) -> list[tuple[str, str]]:
    fields = []
    while True:
        line = _read_line(stream)
        if not line:
            return fields
        match = FIELD.fullmatch(line)
        assert match, f"not a header field: {line!r}"
        fields.append((match.group(1).lower(), match.group(2).rstrip(" \t")))


def _read_chunks(stream):
    body = b""
    while True:
        line = _read_line(stream)
        assert re.fullmatch(r"[0-9A-Fa-f]{1,8}", line), f"not a chunk's size: {line!r}"
        size = int(line, 16)
        if not size:
            return body, _read_fields(stream)
        body += _read_exactly(stream, size)
        assert _read_exactly(stream, 2) == b"\r\n", "no line end behind a chunk"


def _read_line(stream) -> str:
    line = stream.readline(65537)
    assert line, "the connection ended before the response"
    assert line.endswith(b"\r\n"), f"not a whole line: {line!r}"
    return line[:-2].decode("latin-1")


def _read_exactly(stream, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = stream.read(length - len(data))
        assert piece, f"the connection ended after {len(data)} of {length} bytes"
        data += piece
    return data
