"""What a request target's path says: percent-decoding (RFC 3986 section 2.1), safe paths.

Everything is decoded exactly once, and strictly: what cannot be decoded is a 400, never a guess. Bytes come in, text
that is proper UTF-8 goes out, the same under both interpreters.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const, micropython, ptr8
from firmware.http.parser import all_of

# `parser`'s kinds, folded by the compiler only where they are written; a test compares.
_VISIBLE = const(2)  # ASCII that can be seen, but `#`
_VALUE = const(4)  # no control characters but tabs


def decode_text(raw):
    """Return UTF-8 `raw` (bytes) as text. Raises 400 for anything that RFC 3629 does not allow."""
    # Most paths, names and tokens.
    return raw.decode() if all_of(raw, 0, len(raw), _VISIBLE) else _decode(raw)


def text(raw):
    """Return a field's bytes as text: UTF-8, else each byte as the character of its number (ISO 8859-1)."""
    try:
        return decode_text(bytes(raw))
    except HTTPError:
        return "".join(chr(byte) for byte in raw)


def _decode(raw):
    size = -1
    try:
        decoded = raw.decode()
        size = len(decoded)
    except UnicodeError:
        pass
    if size != len(raw):
        if size > 0:
            # MicroPython's decoder lets overlong forms ("/" as C0 AF), surrogates and numbers that are too high pass.
            size = 0
            for char in decoded:
                code = ord(char)
                if code > 0x10FFFF or code & ~0x7FF == 0xD800:
                    break
                size += 1 + (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF)
        if size != len(raw):
            raise HTTPError(400, "The text is not UTF-8.")
    return decoded


def _has_control(raw):
    return not all_of(raw, 0, len(raw), _VALUE) or b"\t" in raw


def decode_path(raw):
    """Return the path `raw` (bytes) percent-decoded once, as text. RFC 3986 2.1, RFC 3629.

    Raises 400 for a bad escape, for what is not UTF-8 and for control characters (0-31 and 127), NUL among them.
    """
    # Most paths.
    if all_of(raw, 0, len(raw), _VISIBLE) and b"%" not in raw:
        return raw.decode()
    if b"%" in raw:
        from firmware.http.escapes import unquote

        raw = unquote(raw)
    if _has_control(raw):
        raise HTTPError(400, "The path has a control character in it.")
    return decode_text(raw)


def safe_path(path, at=0):
    """Return `path` itself where it is plain: text that names something below a folder and nothing else, or None.

    `path` is decoded and has no leading slash: what follows a mount's "/". Empty is the folder itself; a slash at the
    end stays and says that a folder is meant. None for "." and "..", for empty segments, a leading slash, names with a
    dot in front (.git and .env hold secrets), a backslash or colon (Windows: separator, drive, stream) and controls.
    What is before `at` is ASCII, and not looked at.
    """
    raw = path.encode()
    return path if _is_safe(raw, at, len(raw)) else None


@micropython.viper
def _is_safe(b: ptr8, i: int, end: int) -> int:
    before = 47
    while i < end:
        c = b[i]
        if c < 32 or c == 127 or c == 92 or c == 58 or before == 47 and (c == 46 or c == 47):
            return 0
        before = c
        i += 1
    return 1
