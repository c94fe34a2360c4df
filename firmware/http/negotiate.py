"""What a request's fields say about the answer: conditions, ranges, encodings (RFC 9110).

Pure functions of field values as text, None where a field is absent. What cannot be understood counts as not sent:
none of these fields can make a request fail, but for a range that lies outside (416) and a condition that does (412).
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const

_MAX_ITEMS = const(32)  # of a list in a field: browsers send a dozen; what is beyond is not understood
_MAX_DIGITS = const(18)  # of a position: what 64 bits hold, and no long work for int()


def etag_matches(field, etag, weak):
    """Tell whether `field`, the value of If-Match or If-None-Match (text or bytes), names `etag`. RFC 9110 8.8.3, 13.1.

    `etag` is an entity tag as in the ETag field, quotes and all, "" for a resource that has none, None for one that
    does not exist. `weak` chooses the comparison: true for If-None-Match, false for If-Match (RFC 9110 8.8.3.2).
    False where any part of the list is malformed, and for a list of more than 32.
    """
    if field is None or etag is None:
        return False
    if type(field) is str:
        field = field.encode()
    wanted = etag.encode()
    # What a browser sends comes first: the one tag it was given.
    if field == wanted and weak or field.strip() == b"*":
        return True
    if weak and wanted[:2] == b"W/":
        wanted = wanted[2:]
    # No tag has a quote in it: tags are the odd parts, what stands around them the even ones.
    parts = field.split(b'"', 2 * _MAX_ITEMS)
    last = len(parts) - 1
    if last & 1:
        return False
    found = False
    for i in range(0, last + 1, 2):
        gap = parts[i]
        tag_is_weak = i < last and gap[-2:] == b"W/"
        if tag_is_weak:
            gap = gap[:-2]
        if gap.strip(b" \t,") or (0 < i < last and b"," not in gap):
            return False
        if i < last and (weak or not tag_is_weak) and b'"%s"' % parts[i + 1] == wanted:
            found = True
    return found


def preconditions(get, etag, method):
    """Return 0 to go on, or the status to answer with: 304 or 412. RFC 9110 13.2.2.

    `get(name)` returns a field's value or None; `etag` is as for `etag_matches`. To be asked only where the answer
    would be a 2xx. If-Modified-Since and If-Unmodified-Since are not looked at: nothing here has a date to compare.
    """
    field = get("If-Match")
    if field is not None and not etag_matches(field, etag, False):
        return 412
    if etag_matches(get("If-None-Match"), etag, True):
        return 304 if method in ("GET", "HEAD") else 412
    return 0


def parse_range(field, size):
    """Return what the Range `field` asks of `size` bytes: (first, behind the last), or None for all. RFC 9110 14.

    None for no field, another unit, bad syntax, several ranges (nobody but PDF readers asks, and the whole is always
    right) and the end of nothing. For GET only. Raises 416 with Content-Range where the range lies behind the end.
    """
    if not field or field[:6].lower() != "bytes=":
        return None
    # A list may have empty elements; a second range leaves a comma, which no number has.
    spec = field[6:].encode().strip(b" \t,")
    dash = spec.find(b"-")
    if dash < 0:
        return None
    first = _number(spec[:dash])
    last = _number(spec[dash + 1 :])
    if first is None or last is None:
        return None
    if first < 0:
        if last < 0 or (last and not size):
            return None
        first = max(size - last, 0)
        last = size
    elif last < 0:
        last = size
    elif last < first:
        return None
    if first >= size:
        raise HTTPError(416, "The range lies behind the end.", {"Content-Range": "bytes */%d" % size})
    return first, min(last + 1, size)


def _number(digits):
    """Return the number that `digits` (bytes) are, -1 for none at all, None where it is no number or too long."""
    if not digits:
        return -1
    if digits.isdigit() and len(digits) <= _MAX_DIGITS:
        return int(digits)
    return None


def range_applies(if_range, etag):
    """Tell whether a Range is to be looked at, by the value of If-Range. RFC 9110 13.1.5.

    True without the field, else for the very same strong `etag` only: a date matches nothing.
    """
    return if_range is None or (if_range[:1] == '"' and if_range == etag)


def accepts_gzip(field):
    """Tell whether to send gzip rather than plain bytes, by the value of Accept-Encoding. RFC 9110 12.5.3.

    True where gzip (or x-gzip, or "*" in place of both) weighs more than 0 and no less than identity does. Identity has
    the weight of "*" where it is not named, and 0 without both: who names gzip and not identity wants gzip.
    """
    # What browsers send begins like this: no need to look further.
    if field and field[:5] == "gzip," and ";" not in field:
        return True
    from firmware.http.accept import parse_quality

    weights = dict(parse_quality(field))
    other = weights.get("*", 0)
    gzip = weights.get("gzip", weights.get("x-gzip", other))
    return gzip > 0 and gzip >= weights.get("identity", other)
