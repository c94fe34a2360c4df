"""Query strings and urlencoded forms: names and values of text (WHATWG URL section 5).

Loaded by the first request whose `args` are asked for. Everything is decoded once, as strictly as in `urls`.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.urls import decode_text

# A form has a dozen fields; on a board a pair takes some 100 bytes, however short it is.
MAX_PAIRS = const(64)
_MAX_DIGITS = const(18)  # of a number in a query: what 64 bits hold, and no long work for int()


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
    raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        from firmware.http.escapes import unquote

        raw = unquote(raw)
    return decode_text(raw)


def made(request, name):
    """Return the Args of a request: its query's ("args"), or those of the form that is its body. Raises as below."""
    if name == "args":
        return parse_query(request.query)
    return parse_form(request.headers.get("content-type"), request.body)


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


def parse_form(content_type, body):
    """Return the Args of a form: its `content_type` as text (or None), its body as bytes.

    Raises 415 for what is neither urlencoded nor multipart, or has a file, 400 and 413 for a bad form.
    """
    from firmware.http.accept import media_type

    kind = media_type(content_type) or ""
    if kind == "application/x-www-form-urlencoded":
        return parse_query(body)
    if kind != "multipart/form-data":
        raise HTTPError(415, "The body has to be a form.")
    from firmware.http import forms

    parser = forms.Multipart(forms.boundary_of(content_type))
    pairs = []
    for event, data in parser.feed(body):
        if event == forms.PART:
            filename = data.filename
            name, value = data.name, b""
        elif event == forms.DATA:
            value += data
        elif filename is None:
            pairs.append((name, decode_text(value)))
        elif filename or value:
            raise HTTPError(415, "This form takes no files.")
    parser.close()
    return Args(pairs)
