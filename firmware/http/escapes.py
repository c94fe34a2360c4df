"""Percent-encoding (RFC 3986 section 2.1), to and fro. Most URLs have none, and none of this is loaded for them."""

from binascii import unhexlify

from firmware.http.errors import HTTPError


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
