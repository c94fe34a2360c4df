"""multipart/form-data (RFC 7578, RFC 2046 section 5.1, HTML's "Multipart form data") as a stream of events.

`boundary_of` reads the boundary out of Content-Type, a `Multipart` turns the body's chunks into events.

No content is held: a chunk's bytes go out as views of that chunk. What lasts from one chunk to the next is how many
bytes of a delimiter it ended with, and a part's head while it is torn. CR cannot occur in a boundary, so no delimiter
begins inside one that breaks off: content made of partial delimiters costs no more than any other.
"""

from firmware.http.errors import HTTPError
from firmware.http.escapes import unquote
from firmware.http.native import const, micropython, ptr8
from firmware.http.parser import all_of
from firmware.http.urls import decode_text

# `parser`'s kinds, folded by the compiler only where they are written; a test compares.
_TOKEN = const(1)
_VALUE = const(4)

# Kinds of events.
PART = const(1)
DATA = const(2)
END = const(3)

# A setup page has a dozen fields, and a handler keeps something for each.
_MAX_PARTS = const(32)
# Room for a name, a file name of 255 bytes (what littlefs and most systems allow) with each third one escaped, a type.
_MAX_HEAD_BYTES = const(1024)
# RFC 2046 5.1.1.
_MAX_BOUNDARY_BYTES = const(70)
# A browser's head is 60 to 200 bytes long: copied in one go, with little of the content behind it.
_HEAD_STEP = const(192)

# What `_search` works with: first the place in it of the byte that has to come next; from 1 on the delimiter, then 0;
# the delimiter's length less one; for each byte found that far ahead by how much to go on, less one (Horspool).
_LAST = const(79)
_SKIPS = const(80)
_SEARCH_BYTES = const(336)


@micropython.viper
def _search(b: ptr8, i: int, end: int, m: ptr8) -> int:
    """Go on looking for a delimiter in `b[i:end]`; return where it, or else the chunk, ends."""
    k = m[0]
    while i < end:
        if b[i] == m[k]:
            i += 1
            k += 1
            if not m[k]:
                break
        elif k > 1:
            # The byte may be the CR that begins another one.
            k = 1
        else:
            ahead = i + m[_LAST]
            i += 1
            if ahead < end:
                i += m[_SKIPS + b[ahead]]
    m[0] = k
    return i


class Part:
    """A part's head: `name` text, `filename` text or None where it is no file, `content_type` text with parameters.

    An empty `filename` without content is what browsers send of a file field in which nothing was chosen: no file.

    Made from the bytes between boundary and content. Raises 400 for bad syntax, 415 for a Content-Transfer-Encoding
    that changes bytes (RFC 7578 4.7).
    """

    def __init__(self, head):
        fields = {}
        lines = head.split(b"\r\n")
        try:
            # RFC 2046 5.1.1: nothing but transport padding follows a boundary.
            if lines[0].strip():
                raise ValueError
            for line in lines[1:-2]:
                colon = line.index(b":")
                name = line[:colon].lower()
                if not (all_of(name, 0, colon, _TOKEN) and all_of(line, 0, len(line), _VALUE)):
                    raise ValueError
                # RFC 7578 4.8: other fields are to be ignored, however often they come.
                if name in fields and name[:8] == b"content-":
                    raise ValueError
                fields[name] = line[colon + 1 :].strip()
            parameters = _parameters(fields[b"content-disposition"], b"form-data", 400)
            self.name = parameters[b"name"]
        except (KeyError, ValueError):
            raise HTTPError(400, "The form is not valid.") from None
        if fields.get(b"content-transfer-encoding", b"binary").lower() not in (b"7bit", b"8bit", b"binary"):
            raise HTTPError(415, "The form is not valid.")
        # RFC 6266 4.3: of two forms the extended one is meant for those who understand it.
        self.filename = parameters.get(b"filename*", parameters.get(b"filename"))
        # RFC 7578 4.4: the default.
        self.content_type = decode_text(fields.get(b"content-type", b"text/plain"))


class Multipart:
    """A push parser: `feed` it a body's chunks as they come, `close` it where the body ends.

    `boundary` is what `boundary_of` returns. `done` tells that the last boundary was there; what follows is ignored.
    """

    done = False
    _head = None  # what there is of a part's head, None outside of one
    # Where in the delimiter those bytes begin that are content if it breaks off; 0 outside of a part.
    _content = 0

    def __init__(self, boundary, max_parts=_MAX_PARTS, max_head_bytes=_MAX_HEAD_BYTES):
        # RFC 2046 5.1.1: the first delimiter may do without its CRLF. Begin as if one had been there.
        delimiter = b"\x03\r\n--" + boundary + b"\0"
        last = len(delimiter) - 3
        self._search = search = bytearray(bytes((last,)) * _SEARCH_BYTES)
        search[: last + 3] = delimiter
        for k in range(last):
            search[_SKIPS + search[k + 1]] = last - k - 1
        self.max_head_bytes = max_head_bytes
        self.max_parts = max_parts  # counted down

    def feed(self, data):
        """Yield the events in `data` (any bytes-like object): (PART, Part), (DATA, bytes-like), (END, None).

        A DATA is a view of `data`, or the few bytes held back before. Take all events before feeding again; after an
        error feed no more. Raises 413 for too many parts or too long a head, and what `Part` raises.
        """
        view = memoryview(data)
        end = len(view)
        search = self._search
        i = 0
        while i < end and not self.done:
            head = self._head
            if head is None:
                at = i
                held = search[0]
                i = _search(view, i, end, search)
                start = i - search[0] + 1
                content = self._content
                if start >= at and content:
                    if held > content:
                        yield DATA, search[content:held]
                    if start > at:
                        yield DATA, view[at:start]
                    self._content = 1
                if not search[search[0]]:
                    self._head = b""
                    self._content = 0
                    if content:
                        yield END, None
            else:
                taken = len(head)
                self._head = head = head + view[i : i + _HEAD_STEP]
                stop = head.find(b"\r\n\r\n", max(taken - 3, 0)) + 4
                used = stop if stop > 3 else len(head)
                i += used - taken
                if head[:2] == b"--":
                    self.done = True
                elif used > self.max_head_bytes or (stop > 3 and not self.max_parts):
                    raise HTTPError(413, "The form is too complex.")
                elif stop > 3:
                    # A part without content may have its head's empty line be the delimiter's CRLF.
                    search[0] = self._content = 3
                    self._head = None
                    self.max_parts -= 1
                    yield PART, Part(head[:stop])

    def close(self):
        """Check that the form is complete. Raises 400 where its last boundary is missing."""
        if not self.done:
            raise HTTPError(400, "The form is not valid.")


def boundary_of(content_type):
    """Return the boundary (bytes) that the text of a Content-Type names.

    Raises 415 where that is not multipart/form-data, 400 where the boundary is missing or not one (RFC 2046 5.1.1).
    """
    try:
        boundary = _parameters((content_type or "").encode(), b"multipart/form-data", 415)[b"boundary"].encode()
    except (KeyError, ValueError):
        boundary = b""
    wrong = boundary.lower().strip(b"abcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=? ")
    # The last byte is in it where it is a space, and where there is none.
    if wrong or len(boundary) > _MAX_BOUNDARY_BYTES or boundary[-1:] in b" ":
        raise HTTPError(400, "The boundary is not valid.")
    return boundary


def _parameters(value, kind, status):
    """Return the parameters of a field, a dict of lower-case names (bytes) to text.

    Raises `status` where the field is not of that kind, ValueError for bad syntax.
    """
    # No control character gets here: two of them can stand for what a backslash escapes, so that a quote is a quote.
    # Any other backslash is itself, since browsers escape none and old ones send whole Windows paths.
    value = value.replace(b"\\\\", b"\0").replace(b'\\"', b"\1") + b";"
    at = value.find(b";") + 1
    if value[: at - 1].strip().lower() != kind:
        raise HTTPError(status, "Use multipart/form-data.")
    parameters = {}
    while value[at:].strip(b"; "):
        equals = end = value.index(b"=", at)
        if value[equals + 1 : equals + 2] == b'"':
            end = value.index(b'"', equals + 2)
        name = value[at:equals].strip().lower()
        at = value.index(b";", end) + 1
        text = value[equals + 1 : at - 1].strip()
        raw = text.strip(b'"')
        if (
            b'"' in raw
            or text not in (raw, b'"%s"' % raw)
            or name in parameters
            or not all_of(name, 0, len(name), _TOKEN)
        ):
            raise ValueError
        raw = raw.replace(b"\0", b"\\").replace(b"\1", b'"')
        if name == b"filename*":
            # RFC 8187 3.2.1: between the quotes may be a language.
            charset, _, raw = raw.split(b"'", 2)
            if charset.lower() != b"utf-8":
                raise ValueError
            raw = unquote(raw)
        else:
            # What the HTML standard escapes, and only that: any other percent sign is itself.
            raw = raw.replace(b"%22", b'"').replace(b"%0D", b"\r").replace(b"%0A", b"\n")
        parameters[name] = decode_text(raw)
    return parameters
