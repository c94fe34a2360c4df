"""The one family of errors: each knows the status a client gets.

Raised anywhere below a request, turned into a response in one place (`server/errors.py`).
"""

# Those of every day; the others are in a module of their own.
_EVERYDAY = b"201 Created\n204 No Content\n400 Bad Request\n401 Unauthorized\n"


def reason(status):
    """Return the standard reason phrase of a status as bytes."""
    if status == 404:
        return b"Not Found"
    at = _EVERYDAY.find(b"%d " % status)
    if at >= 0:
        return _EVERYDAY[at + 4 : _EVERYDAY.find(b"\n", at)]
    try:
        from firmware.http.reasons import REASONS
    except MemoryError:
        return b"Unknown"
    at = REASONS.find(b"%d " % status)
    return b"Unknown" if at < 0 else REASONS[at + 4 : REASONS.find(b"\n", at)]


class HTTPError(Exception):
    """A request that ends with an error response.

    `status` is the code, `detail` one sentence for the client, `headers` a dict of further header fields; `fields`
    tells what is wrong with each member of the document that the client sent, {"networks.0.ssid": "..."}.
    """

    headers = fields = None
    trace = None  # of what a handler raised (see `server/laptop`)

    def __init__(self, status, detail="", headers=None, fields=None):
        """Raise it: `raise HTTPError(404, "There is no such pin.")`."""
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        if headers:
            self.headers = headers
        if fields:
            self.fields = fields
