"""Static files: streamed through the server's buffer, never in RAM as a whole.

Strong ETags come from the content (SHA-256, made once a file and kept while its size and time of change stay), since
no clock here is worth a Last-Modified. A `x.gz` beside `x`, not older, goes to who takes gzip. Conditions, ranges and
their order are RFC 9110's (sections 13 and 14). Paths are decoded once, then `urls.safe_path` keeps them in the folder.
"""

import asyncio
import os
import time
from binascii import hexlify
from hashlib import sha256

from firmware.http.errors import HTTPError
from firmware.http.message import BINARY, Response
from firmware.http.negotiate import accepts_gzip, parse_range, preconditions, range_applies
from firmware.http.urls import quote, safe_path

_TYPES = {
    "css": b"text/css; charset=utf-8",
    "csv": b"text/csv; charset=utf-8",
    "gif": b"image/gif",
    "gz": b"application/gzip",
    "html": b"text/html; charset=utf-8",
    "ico": b"image/x-icon",
    "jpeg": b"image/jpeg",
    "jpg": b"image/jpeg",
    "js": b"text/javascript; charset=utf-8",
    "json": b"application/json",
    "pdf": b"application/pdf",
    "png": b"image/png",
    "svg": b"image/svg+xml",
    "txt": b"text/plain; charset=utf-8",
    "wasm": b"application/wasm",
    "webmanifest": b"application/manifest+json",
    "webp": b"image/webp",
    "woff2": b"font/woff2",
    "xml": b"application/xml",
}

# Files whose tags are kept: as many as a site has, at some 150 bytes each.
_MAX_ENTRIES = 24

# Bytes that are hashed before the others have their turn: some 10 ms on a board.
_HASH_AT_ONCE = 16384

# A file that changed this lately may change again within its time stamp's second: its tag is not kept.
_SETTLED_S = 2

_DIRECTORY = 0x4000


class Entry:
    """One file as it was when last looked at: its path, content type, size, time of change, and once hashed its tag."""

    def __init__(self, path, kind, info):
        self.path = path
        self.kind = kind
        self.size = info[6]
        self.changed = info[8]
        self.gzip = None  # the Entry of the compressed file
        self.tag = None
        self.lines = None  # field lines of every answer

    def is_settled(self):
        """Tell whether the content cannot have changed without its time stamp."""
        return abs(time.time() - self.changed) >= _SETTLED_S

    async def hash(self, extra):
        """Make the tag, and the field lines, which end with `extra`."""
        state = sha256()
        block = bytearray(1024)
        done = 0
        with open(self.path, "rb") as file:
            while True:
                got = file.readinto(block)
                if not got:
                    break
                state.update(memoryview(block)[:got])
                done += got
                if done % _HASH_AT_ONCE == 0:
                    await asyncio.sleep(0)
        # 64 bits: no two versions of one file will ever share them by accident.
        self.tag = '"%s"' % hexlify(state.digest()[:8]).decode()
        self.lines = b"ETag: %s\r\nAccept-Ranges: bytes\r\n%s" % (self.tag.encode(), extra)


class Static:
    """The files of one folder, as something to mount."""

    def __init__(self, app, folder, max_age_s):
        self._app = app
        self._folder = folder.rstrip("/") or "/"
        # no-cache: keep it, but ask each time whether it is still the same.
        self._cache_control = b"Cache-Control: %s\r\n" % (b"max-age=%d" % max_age_s if max_age_s else b"no-cache")
        self._entries = {}
        self._route = {"GET": self._serve}
        self._redirect_route = {"GET": self._redirect}

    def search(self, path):
        """Return (app, route, params) for a file or folder, or None."""
        name = path[1:]
        if safe_path(name) is None:
            return None
        file = self._folder + "/" + name if name else self._folder
        try:
            info = os.stat(file[:-1] if file.endswith("/") else file)
            if info[0] & _DIRECTORY:
                if name and not name.endswith("/"):
                    return self._app, self._redirect_route, None
                file = file.rstrip("/") + "/index.html"
                info = os.stat(file)
            elif file.endswith("/"):
                return None
        except OSError:
            return None
        return self._app, self._route, {"entry": self._entry(file, info)}

    def _entry(self, path, info):
        entry = self._entries.get(path)
        if entry and entry.changed == info[8] and entry.size == info[6] and entry.is_settled():
            return entry
        kind = _TYPES.get(path[path.rfind(".") + 1 :].lower(), BINARY)
        entry = Entry(path, kind, info)
        try:
            info = os.stat(path + ".gz")
            if info[8] >= entry.changed:
                entry.gzip = Entry(path + ".gz", kind, info)
        except OSError:
            pass
        if len(self._entries) >= _MAX_ENTRIES:
            self._entries.clear()
        self._entries[path] = entry
        return entry

    def _redirect(self, request):
        # A path that began with two slashes would be another host.
        location = "/" + quote(request.path.lstrip("/")) + "/"
        query = request.query
        return Response(b"", 301, {"Location": location + ("?" + query.decode() if query else "")})

    def _serve(self, request, entry):
        chosen = entry
        if entry.gzip and accepts_gzip(request.headers.get("accept-encoding")):
            chosen = entry.gzip
        if chosen.lines is None:
            return self._hash_and_serve(request, entry, chosen)
        return respond(request, chosen)

    async def _hash_and_serve(self, request, entry, chosen):
        extra = self._cache_control
        if entry.gzip:
            extra += b"Vary: Accept-Encoding\r\n"
        if chosen is entry.gzip:
            extra += b"Content-Encoding: gzip\r\n"
        try:
            await chosen.hash(extra)
        except OSError:
            raise HTTPError(404, "The file has just gone.") from None
        return respond(request, chosen)


def respond(request, entry):
    """Return the response for a hashed entry: 200, 206, 304, 412 or 416. Raises 404 where the file has gone."""
    first, end = 0, entry.size
    status = 200
    lines = entry.lines
    if request.is_conditional():
        get = request.headers.get
        verdict = preconditions(get, entry.tag, request.method)
        if verdict == 304:
            response = Response(b"", 304)
            response.lines = lines
            return response
        if verdict:
            raise HTTPError(verdict, "The file is not the one you mean.", {"ETag": entry.tag})
        part = None
        if request.method == "GET" and range_applies(get("if-range"), entry.tag):
            part = parse_range(get("range"), entry.size)
        if part:
            first, end = part
            status = 206
            lines += b"Content-Range: bytes %d-%d/%d\r\n" % (first, end - 1, entry.size)
    body = b""
    if request.method != "HEAD" and end > first:
        try:
            body = open(entry.path, "rb")
        except OSError:
            raise HTTPError(404, "The file has just gone.") from None
        if first:
            body.seek(first)
    response = Response(body, status, None, entry.kind)
    response.length = end - first
    response.lines = lines
    return response
