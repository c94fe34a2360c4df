"""What a request target says: percent-decoding (RFC 3986 section 2.1), paths, query strings.

Everything is decoded exactly once, and strictly: what cannot be decoded is a 400, never a guess. Bytes come in, text
that is proper UTF-8 goes out, the same under both interpreters.
"""

from binascii import unhexlify

from firmware.http.errors import HTTPError
from firmware.http.native import const

# A form has a dozen fields; on a board a pair takes some 100 bytes, however short it is.
MAX_PAIRS = const(64)
_MAX_DIGITS = const(18)  # of a number in a query: what 64 bits hold, and no long work for int()


def unquote(raw):
    """Percent-decode `raw` (bytes) once; return bytes. RFC 3986 2.1.

    Raises 400 for a percent sign without two hexadecimal digits.
    """
    at = raw.find(b"%")
    if at < 0:
        return raw
    out = bytearray(raw[:at])
    while at >= 0:
        # int(..., 16) takes "+4" and " 4"; unhexlify takes neither, but makes nothing of nothing, or of white space.
        try:
            byte = unhexlify(raw[at + 1 : at + 3])
        except ValueError:
            byte = b""
        if not byte:
            raise HTTPError(400, "A percent sign stands without two hexadecimal digits.")
        out.extend(byte)
        start = at + 3
        at = raw.find(b"%", start)
        out.extend(raw[start : at if at >= 0 else len(raw)])
    return bytes(out)


def decode_text(raw):
    """Return UTF-8 `raw` (bytes) as text. Raises 400 for anything that RFC 3629 does not allow."""
    size = -1
    try:
        text = raw.decode()
        size = len(text)
    except UnicodeError:
        pass
    if size != len(raw):
        if size > 0:
            # MicroPython's decoder lets overlong forms ("/" as C0 AF), surrogates and numbers that are too high pass.
            size = 0
            for char in text:
                code = ord(char)
                if code > 0x10FFFF or code & ~0x7FF == 0xD800:
                    break
                size += 1 + (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF)
        if size != len(raw):
            raise HTTPError(400, "The text is not UTF-8.")
    return text


def _has_control(raw):
    for code in raw:
        if code < 32 or code == 127:
            return True
    return False


def decode_path(raw):
    """Return the path `raw` (bytes) percent-decoded once, as text. RFC 3986 2.1, RFC 3629.

    Raises 400 for a bad escape, for what is not UTF-8 and for control characters (0-31 and 127), NUL among them.
    """
    raw = unquote(raw)
    if _has_control(raw):
        raise HTTPError(400, "The path has a control character in it.")
    return decode_text(raw)


class Args:
    """Parameters of a query or a form: pairs of text in the order they came in, names as often as they were sent.

    `args["k"]` is the first value of a name; HTTPError 400 where it is missing, so that a handler may just ask.
    Length, iteration (over names) and `items()` (iterator of pairs) count every pair.
    """

    def __init__(self, pairs):
        self._pairs = pairs

    def __getitem__(self, name):
        for key, value in self._pairs:
            if key == name:
                return value
        raise HTTPError(400, 'The parameter "%s" is missing.' % name)

    def get(self, name, default=None, type=None):
        """Return the first value of `name`, converted by `type` (a function of text), or `default`, never converted.

        Raises 400 where `type` raises ValueError. `int` takes 1 to 18 digits, a minus sign before them, nothing else.
        """
        for key, value in self._pairs:
            if key == name:
                return value if type is None else _convert(name, value, type)
        return default

    def get_all(self, name):
        """Return the list of all values of `name`."""
        return [value for key, value in self._pairs if key == name]

    def items(self):
        """Return an iterator of all (name, value)."""
        return iter(self._pairs)

    def __iter__(self):
        return iter([key for key, _ in self._pairs])

    def __len__(self):
        return len(self._pairs)


def _convert(name, value, type):
    try:
        if type is int:
            # Bytes: text has digits beyond ASCII, which int() takes on one interpreter.
            digits = value.encode()
            if digits[:1] == b"-":
                digits = digits[1:]
            if not digits.isdigit() or len(digits) > _MAX_DIGITS:
                raise ValueError
        return type(value)
    except ValueError:
        raise HTTPError(400, 'The parameter "%s" is not valid.' % name) from None


def _decode_part(raw):
    return decode_text(unquote(raw.replace(b"+", b" ")))


def parse_query(raw):
    """Return the Args of application/x-www-form-urlencoded `raw` (bytes). WHATWG URL section 5.1.

    Empty pairs are skipped; a name without "=" has the value "".
    Raises 400 for a bad escape, what is not UTF-8, and more than MAX_PAIRS pairs.
    """
    pairs = []
    start = 0
    decode = _decode_part
    if b"%" not in raw and b"+" not in raw:
        # Checked once as a whole, it is cut where no character can be cut.
        decode_text(raw)
        decode = bytes.decode
    # Cut piece by piece: a form of 8 KiB, split at once, would be thousands of objects.
    while start < len(raw):
        end = raw.find(b"&", start)
        if end < 0:
            end = len(raw)
        if end > start:
            if len(pairs) >= MAX_PAIRS:
                raise HTTPError(400, "There are too many parameters.")
            at = raw.find(b"=", start, end)
            if at < 0:
                at = end
            pairs.append((decode(raw[start:at]), decode(raw[at + 1 : end])))
        start = end + 1
    return Args(pairs)


def safe_path(path):
    """Return `path` itself where it is plain: text that names something below a folder and nothing else, or None.

    `path` is decoded and has no leading slash: what follows a mount's "/". Empty is the folder itself; a slash at the
    end stays and says that a folder is meant. None for "." and "..", for empty segments, a leading slash, names with a
    dot in front (.git and .env hold secrets), a backslash or colon (Windows: separator, drive, stream) and controls.
    """
    if not path:
        return path
    if path[0] in "./" or "/." in path or "//" in path or "\\" in path or ":" in path or _has_control(path.encode()):
        return None
    return path


def quote(text):
    """Return `text` for a Location field: its UTF-8, all but RFC 3986's unreserved characters and "/" percent-encoded.

    Two slashes in front are left as they are, and name another host: see to it that `text` begins with one.
    """
    out = []
    for code in text.encode():
        char = chr(code)
        # Letters of ASCII only: those of Unicode are bytes above 127 here.
        plain = code < 128 and (char.isalpha() or char.isdigit() or char in "-._~/")
        out.append(char if plain else "%%%02X" % code)
    return "".join(out)
