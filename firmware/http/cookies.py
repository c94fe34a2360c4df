"""Cookies (RFC 6265): what a client's Cookie field says, and the value of a Set-Cookie field.

Names and values are checked on the way out, and taken as they come on the way in: browsers send what any page has set.
"""

from firmware.http.native import const
from firmware.http.parser import all_of
from firmware.http.urls import text

# `parser`'s kind, folded by the compiler only where it is written; a test compares.
_TOKEN = const(1)

# RFC 6265 6.1: what browsers keep of one cookie, at least, and how many for one host.
MAX_BYTES = const(4096)
MAX_COOKIES = const(50)

_SAME_SITE = ("Strict", "Lax", "None")


def made(request, name):
    """Return the cookies of a request, {name: value}: of a name that comes twice the first (RFC 6265 5.4)."""
    return dict(reversed(parse(request.field(b"cookie"))))


def parse(field):
    """Return the cookies of a Cookie field (bytes or None): a list of (name, value), text, in the order sent.

    RFC 6265 5.4: those of longer paths come first, and a name may come twice. What has no name, which is a token, is
    left out; quotes around a value are no part of it (4.1.1). What is beyond MAX_COOKIES is not looked at.
    """
    found = []
    for name, value in _pairs(field):
        found.append((text(name), text(value)))
    return found


def get_all(field, name):
    """Return the values (text) of all cookies called `name` in a Cookie field (bytes or None), in the order sent.

    Who plants a second one has it stand beside the right one: try them all.
    """
    wanted = name.encode()
    return [text(value) for name, value in _pairs(field) if name == wanted]


def _pairs(field):
    start = 0
    field = field or b""
    for _ in range(MAX_COOKIES):
        if start >= len(field):
            return
        end = field.find(b";", start)
        if end < 0:
            end = len(field)
        at = field.find(b"=", start, end)
        if at >= 0:
            name = field[start:at].strip(b" \t")
            value = field[at + 1 : end].strip(b" \t")
            if len(value) > 1 and value[0] == value[-1] == 34:
                value = value[1:-1]
            if name and all_of(name, 0, len(name), _TOKEN):
                yield name, value
        start = end + 1


def build(name, value, max_age_s=None, path="/", domain=None, secure=False, http_only=True, same_site="Lax"):
    """Return the value of a Set-Cookie field (text). RFC 6265 4.1; SameSite and the prefixes of names: its revision.

    `max_age_s`: seconds that it lives, None until the browser ends. Raises ValueError for what cannot be said, and for
    what browsers would refuse: SameSite=None or a name with a prefix without what they promise.
    """
    raw = name.encode()
    if not raw or not all_of(raw, 0, len(raw), _TOKEN):
        raise ValueError("not a cookie's name: %r" % name)
    if not _is_value(value) or len(raw) + len(value) > MAX_BYTES:
        raise ValueError("not a cookie's value: %r" % value)
    lower = name.lower()
    is_host = lower.startswith("__host-")
    if same_site not in _SAME_SITE or (not secure and (same_site == "None" or is_host or lower[:9] == "__secure-")):
        raise ValueError("no browser takes this cookie: %s" % name)
    if is_host and (path != "/" or domain):
        raise ValueError("no browser takes this cookie: %s" % name)
    parts = [name + "=" + value, "Path=" + _attribute(path)]
    if domain:
        parts.append("Domain=" + _attribute(domain))
    if max_age_s is not None:
        parts.append("Max-Age=%d" % max_age_s)
    if secure:
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    parts.append("SameSite=" + same_site)
    return "; ".join(parts)


def add(response, cookie):
    """Have a Response set one more cookie, what `build` returned."""
    old = (response.headers or {}).get("Set-Cookie", ())
    response.set_header("Set-Cookie", (old if type(old) is list else [old] if old else []) + [cookie])


def _is_value(value):
    """Tell whether text is made of RFC 6265's cookie-octets."""
    for char in value:
        if not "!" <= char <= "~" or char in '",;\\':
            return False
    return True


def _attribute(value):
    for char in value:
        if not " " <= char <= "~" or char == ";":
            raise ValueError("not a cookie's attribute: %r" % value)
    return value
