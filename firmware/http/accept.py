"""Fields of media types and weights: Accept and its kin, Content-Type and its parameters (RFC 9110).

Loaded by the first request that needs it: most are settled by a look at what browsers send. Pure functions of field
values as text, None where a field is absent. What cannot be understood counts as not sent.
"""

from firmware.http.native import const

_MAX_ITEMS = const(32)  # of a list in a field: browsers send a dozen; what is beyond is not understood


def _mask(text):
    """Return `text` with quoted pairs blotted out, so that the quotes left are those around quoted strings."""
    return text.replace("\\\\", "__").replace('\\"', "__")


def _split(text, separator):
    """Return what stands between separators; those inside a quoted string (RFC 9110 5.6.4) separate nothing."""
    parts = text.split(separator, _MAX_ITEMS)
    if '"' not in text:
        return parts
    whole = []
    held = []
    inside = 0
    for part in parts:
        held.append(part)
        inside ^= _mask(part).count('"') & 1
        if not inside:
            whole.append(separator.join(held))
            held = []
    return whole


def parse_quality(field):
    """Return the elements of an Accept... field: a list of (token, weight in thousandths). RFC 9110 12.4.2.

    Tokens are in lower case, parameters other than the weight dropped. Elements whose weight is malformed are left out:
    neither wanted nor excluded.
    """
    found = []
    for element in _split((field or "").lower(), ","):
        quality = 1000
        if ";" in element:
            parts = _split(element, ";")
            element = parts[0] if parts else ""
            for part in parts:
                part = part.strip(" \t")
                if part[:2] == "q=":
                    quality = _thousandths(part[2:])
                    break
        element = element.strip(" \t")
        if element and quality >= 0:
            found.append((element, quality))
    return found


def _thousandths(text):
    """Return the weight `text` times 1000, -1 where it is not 0 to 1 with at most three decimals."""
    if text[:1] in ("0", "1") and text[1:2] in ("", ".") and len(text) <= 5:
        digits = (text[0] + text[2:] + "000")[:4].encode()
        if digits.isdigit():
            quality = int(digits)
            if quality <= 1000:
                return quality
    return -1


def prefers_json(accept):
    """Tell whether an error should be told in JSON rather than HTML, by the value of Accept. RFC 9110 12.5.1.

    True where JSON (application/json, application/*, ...+json) is named and weighs more than text/html (or text/*) does
    by name. "*/*" counts for neither: a program that wants JSON says so, everybody else is served with a page.
    """
    accept = (accept or "").lower()
    # Browsers name neither: no need to look further.
    if "json" not in accept and "application/*" not in accept:
        return False
    weights = dict(parse_quality(accept))
    json = weights.get("application/*", 0)
    for token in weights:
        if token.endswith("+json"):
            json = max(json, weights[token])
    json = weights.get("application/json", json)
    return json > weights.get("text/html", weights.get("text/*", 0))


def media_type(value):
    """Return type/subtype of a Content-Type in lower case, without parameters, "" for None. RFC 9110 8.3.1."""
    return (value or "").split(";", 1)[0].strip(" \t").lower()


def parameter(value, name):
    """Return the first parameter `name` (lower case) of a Content-Type or the like, or None. RFC 9110 5.6.6.

    A quoted string comes without its quotes and backslashes. None where its value is malformed. Outside of quotes more
    is taken than tokens are made of: boundaries are sent with "/", ":" and "=" in them.
    """
    for pair in _split(value or "", ";"):
        pair = pair.strip(" \t")
        if pair[: len(name) + 1].lower() == name + "=":
            text = pair[len(name) + 1 :]
            masked = _mask(text)
            quotes = masked.count('"')
            if not quotes:
                return text if text and " " not in text and "\t" not in text else None
            if quotes > 2 or masked[0] != '"' or masked[-1] != '"':
                return None
            return "\\".join([part.replace("\\", "") for part in text[1:-1].split("\\\\")])
    return None
