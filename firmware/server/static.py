"""Static files: streamed through the server's buffer, never in RAM as a whole.

Strong ETags come from the content (SHA-256, made once a file and kept while its size and time of change stay), since
no clock here is worth a Last-Modified. A `x.gz` beside `x` that has the same content, by the CRC-32 and the length at
its end, goes to who takes gzip; which of them is newer nobody knows. Conditions, ranges and their order are RFC 9110's
(sections 13 and 14). Paths are decoded once, then `urls.safe_path` keeps them in the folder; symbolic links are
followed, for whoever can make one there can put the file itself there.
"""

import asyncio
import os
import time
from binascii import crc32, hexlify
from hashlib import sha256

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.response import BINARY, Response, mistake
from firmware.http.urls import safe_path, text

# One constant costs a third of a dict.
_TYPES = (
    b" css=text/css; charset=utf-8\n csv=text/csv; charset=utf-8\n gif=image/gif\n gz=application/gzip\n"
    b" html=text/html; charset=utf-8\n ico=image/x-icon\n jpeg=image/jpeg\n jpg=image/jpeg\n"
    b" js=text/javascript; charset=utf-8\n json=application/json\n pdf=application/pdf\n png=image/png\n"
    b" svg=image/svg+xml\n txt=text/plain; charset=utf-8\n wasm=application/wasm\n"
    b" webmanifest=application/manifest+json\n webp=image/webp\n woff2=font/woff2\n xml=application/xml\n"
)

# Files whose tags are kept: as many as a site has, at some 500 bytes each.
_MAX_ENTRIES = const(24)

# Bytes that are hashed before the others have their turn: some 10 ms on a board.
_HASH_AT_ONCE = const(16384)

# A file that changed this lately: its tag is not kept.
_SETTLED_S = const(2)

_GONE = "The file is gone."
_KIND = const(0xF000)
_DIRECTORY = const(0x4000)
_FILE = const(0x8000)


def content_type(path):
    """Return the media type (bytes) for a file's name."""
    key = b" %s=" % path[path.rfind(".") + 1 :].lower().encode()
    at = _TYPES.find(key)
    return BINARY if at < 0 else _TYPES[at + len(key) : _TYPES.find(b"\n", at)]


def check_folder(path):
    """Raise ValueError unless there is a folder at a path."""
    try:
        if os.stat(path)[0] & _KIND == _DIRECTORY:
            return
    except OSError:
        pass
    raise mistake("folder", (path, os.getcwd()))


class Entry:
    """One file as it was when last looked at; `path` is bytes (see `Static`)."""

    def __init__(self, path, info):
        self.path = path
        self.size = info[6]
        self.changed = info[8]
        self.file = None  # open, where it was hashed just now
        self.gzip = None  # the Entry of the compressed file
        self.tag = None
        self.lines = None  # field lines of a whole answer, for who asks for this one, Content-Length last

    def is_same(self, info):
        """Tell whether a stat result shows no change."""
        return self.changed == info[8] and self.size == info[6]

    async def hash(self):
        """Make the tag; return what a gzip file of this content ends with (RFC 1952 2.3), as a number."""
        state = sha256()
        crc = 0
        block = bytearray(256)
        done = 0
        file = open(self.path, "rb")
        try:
            while True:
                got = file.readinto(block)
                if not got:
                    break
                part = memoryview(block)[:got]
                state.update(part)
                crc = crc32(part, crc)
                done += got
                if done % _HASH_AT_ONCE == 0:
                    await asyncio.sleep(0)
        except BaseException:
            file.close()
            raise
        # What is sent is what was hashed, whatever has this name by now.
        self.file = file
        # What was hashed is what the length is told of, also where the file grew meanwhile.
        self.size = done
        # 64 bits: no two versions of one file will ever share them by accident.
        self.tag = '"%s"' % hexlify(state.digest()[:8]).decode()
        return (done & 0xFFFFFFFF) << 32 | crc

    def tell(self, lines):
        """Make the field lines, which begin with `lines`."""
        lines += b"ETag: %s\r\nAccept-Ranges: bytes\r\n" % self.tag.encode()
        self.cut = len(lines)
        self.lines = lines + b"Content-Length: %d\r\n" % self.size

    def is_gzip_of(self, end):
        """Tell whether this file, which was hashed, is the gzip file of a content that it ends with `end` for."""
        # A head and an end have 18 bytes.
        if self.size < 18:
            return False
        self.file.seek(self.size - 8)
        return int.from_bytes(self.file.read(8), "little") == end

    def open(self):
        """Return the open file. Raises 404 where it has gone."""
        file, self.file = self.file, None
        if file:
            file.seek(0)
        else:
            file = _try(open, self.path, "rb")
            if file is None:
                raise HTTPError(404, _GONE)
        return file

    def close(self):
        """Close the file that was hashed."""
        if self.file:
            self.file.close()
            self.file = None


class Static:
    """The files of one folder, as something to mount."""

    def __init__(self, app, folder, max_age_s, packed=True):
        """`packed`: whether a file's `.gz` is that file, compressed."""
        self._packed = packed
        self._app = app
        # Bytes: MicroPython looks for each new text among all names that there are, for a path of a file several times.
        self._folder = folder.rstrip("/").encode()
        # no-cache: keep it, but ask each time whether it is still the same.
        self._cache_control = b"Cache-Control: %s\r\n" % (b"max-age=%d" % max_age_s if max_age_s else b"no-cache")
        self._entries = {}
        self._route = {"GET": self._serve}
        self._root_route = {"GET": self._serve_root}

    def search(self, path):
        """Return (app, route, params) for a file or folder, or None."""
        if safe_path(path, 1) is None:
            return None
        route = self._route if path != "/" else self._root_route
        if path in self._entries:
            return self._app, route, {"entry": self._entries[path]}
        file = self._folder + path.encode()
        try:
            info = os.stat((file.rstrip(b"/") or b"/") if path.endswith("/") else file)
            if info[0] & _KIND == _DIRECTORY:
                if not path.endswith("/"):
                    return self._app, {"GET": _redirect}, ()
                file += b"index.html"
                info = os.stat(file)
            elif path.endswith("/"):
                return None
        except OSError:
            return None
        # To open a pipe would wait for who writes to it.
        if info[0] & _KIND != _FILE:
            return None
        if len(self._entries) >= _MAX_ENTRIES:
            self._entries.clear()
        self._entries[path] = entry = Entry(file, info)
        return self._app, route, {"entry": entry}

    def empty(self):
        """Forget what is known of files: memory is short."""
        self._entries.clear()

    def forget(self, path):
        """Look for a file anew the next time: it was made or deleted."""
        self._entries.pop(path, None)

    async def tag(self, path):
        """Return the ETag of a file that `search` has found, as text, or None where it is gone."""
        entry = self._entries[path]
        try:
            info = os.stat(entry.path)
            if entry.tag is None or not entry.is_same(info):
                await self._look(entry, info)
                _close(entry)
        except OSError:
            return None
        return entry.tag

    def _serve_root(self, request, entry):
        # The folder's own prefix is a directory too; the router finds it with and without its slash.
        if request.path[-1] == "/":
            return self._serve(request, entry)
        return _redirect(request)

    def _serve(self, request, entry):
        info = _try(os.stat, entry.path)
        if info is None:
            raise self._gone()
        if entry.tag is None or not entry.is_same(info):
            return self._hash_and_serve(request, entry, info)
        wanted = entry
        if entry.gzip is not None and _takes_gzip(request):
            wanted = entry.gzip
            if not _is_still(wanted):
                return self._hash_and_serve(request, entry, info)
        return self._respond(request, entry, wanted)

    async def _hash_and_serve(self, request, entry, info):
        try:
            age_s = await self._look(entry, info)
            wanted = entry.gzip if entry.gzip and _takes_gzip(request) else entry
            response = self._respond(request, entry, wanted)
        except OSError:
            raise self._gone() from None
        finally:
            _close(entry)
        # A file that changed just now may change again within its time stamp's second.
        if age_s < _SETTLED_S:
            entry.tag = None
        return response

    async def _look(self, entry, info):
        """Look at a file, and the compressed one beside it, anew. Raises OSError.

        Returns how many seconds away from now the nearer of their changes is.
        """
        Entry.__init__(entry, entry.path, info)
        now = time.time()
        age_s = abs(now - entry.changed)
        end = await entry.hash()
        tag, size = entry.tag, entry.size
        packed = None
        try:
            info = os.stat(entry.path + b".gz") if self._packed else (0,) * 10
            if info[0] & _KIND == _FILE:
                packed = Entry(entry.path + b".gz", info)
                await packed.hash()
                age_s = min(age_s, abs(now - packed.changed))
                if not packed.is_gzip_of(end):
                    packed.close()
                    packed = None
        except OSError:
            if packed:
                packed.close()
            packed = None
        entry.gzip = packed
        # Another request may have begun to look meanwhile.
        entry.tag, entry.size = tag, size
        return age_s

    def _respond(self, request, entry, wanted):
        """Return the response for a hashed entry, or for the compressed file beside it."""
        if wanted.lines is None:
            lines = b"Content-Type: %s\r\n%s" % (content_type(entry.path.decode()), self._cache_control)
            if entry.gzip:
                lines += b"Vary: Accept-Encoding\r\n"
            if wanted is not entry:
                lines += b"Content-Encoding: gzip\r\n"
            wanted.tell(lines)
        return respond(request, wanted)

    def _gone(self):
        self._entries.clear()
        return HTTPError(404, _GONE)


def _close(entry):
    """Close what was hashed and is not sent."""
    entry.close()
    if entry.gzip:
        entry.gzip.close()


def _try(function, *args):
    """Return what a function of the file system does, None where it cannot."""
    try:
        return function(*args)
    except OSError:
        return None


def _is_still(entry):
    """Tell whether a file is there, and as it was."""
    info = _try(os.stat, entry.path)
    return info is not None and entry.is_same(info)


def _takes_gzip(request):
    value = request.field(b"accept-encoding")
    if value is None:
        return False
    # What browsers send begins like this: no text has to be made of it.
    if value[:5] == b"gzip," and b";" not in value:
        return True
    from firmware.http.negotiate import accepts_gzip

    return accepts_gzip(request.headers.get("accept-encoding"))


def _redirect(request):
    from firmware.http.escapes import quote

    # A path that began with two slashes would be another host.
    query = request.query
    return Response(
        b"", 301, {"Location": "/%s/%s" % (quote(request.path.lstrip("/")), "?" + text(query) if query else "")}
    )


def respond(request, entry):
    """Return the response for a hashed entry: 200, 206, 304, 412 or 416. Raises 404 where the file has gone."""
    first, end = 0, entry.size
    response = Response(b"", 200)
    response.lines = entry.lines
    if request.is_conditional():
        from firmware.server.conditional import narrow

        first, end = narrow(request, entry, response)
    if request.method != "HEAD" and end > first:
        response.body = entry.open()
        if first:
            response.body.seek(first)
    response.length = end - first
    return response
