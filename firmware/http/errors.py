"""The one family of errors: each knows the status a client gets.

Raised anywhere below a request, turned into a response in one place (`server/connection.py`).
"""


def reason(status):
    """Return the standard reason phrase of a status as bytes."""
    try:
        from firmware.http.reasons import REASONS
    except MemoryError:
        return b"Unknown"
    at = REASONS.find(b"%d " % status)
    return b"Unknown" if at < 0 else REASONS[at + 4 : REASONS.find(b"\n", at)]


class HTTPError(Exception):
    """A request that ends with an error response.

    `status` is the code, `detail` one sentence for the client, `headers` a dict of further fields.
    """

    def __init__(self, status, detail="", headers=None):
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = headers
