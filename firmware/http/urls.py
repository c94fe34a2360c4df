"""What a request target's path says: percent-decoding (RFC 3986 section 2.1), safe paths.

Everything is decoded exactly once, and strictly: what cannot be decoded is a 400, never a guess. Bytes come in, text
that is proper UTF-8 goes out, the same under both interpreters.
"""

from binascii import unhexlify

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import all_of

# The parser's kinds: ASCII that can be seen (but `#`); what has no control characters but tabs.
_VISIBLE = const(2)
_VALUE = const(4)


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
    # Most paths, names and tokens.
    return raw.decode() if all_of(raw, 0, len(raw), _VISIBLE) else _decode(raw)


def _decode(raw):
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
    return not all_of(raw, 0, len(raw), _VALUE) or b"\t" in raw


def decode_path(raw):
    """Return the path `raw` (bytes) percent-decoded once, as text. RFC 3986 2.1, RFC 3629.

    Raises 400 for a bad escape, for what is not UTF-8 and for control characters (0-31 and 127), NUL among them.
    """
    raw = unquote(raw)
    if _has_control(raw):
        raise HTTPError(400, "The path has a control character in it.")
    return decode_text(raw)


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
