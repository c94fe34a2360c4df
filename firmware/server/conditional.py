"""Files for who has them already, or wants a part: conditions and ranges (RFC 9110 sections 13 and 14).

Loaded by the first request that has a field of these.
"""

from firmware.http.errors import HTTPError
from firmware.http.negotiate import parse_range, preconditions, range_applies


def narrow(request, entry, response):
    """Make `response` a 304 or 206 where the request asks for that; return (first, end) of the bytes to send.

    Raises 412, and 416 for a range that lies behind the end.
    """
    get = request.headers.get
    verdict = preconditions(get, entry.tag, request.method)
    if verdict == 304:
        response.status = 304
        response.lines = entry.lines[: entry.cut]
        return 0, 0
    if verdict:
        raise HTTPError(verdict, "The file is not the one you mean.", {"ETag": entry.tag})
    part = None
    if request.method == "GET" and range_applies(get("if-range"), entry.tag):
        part = parse_range(get("range"), entry.size)
    if not part:
        return 0, entry.size
    first, end = part
    response.status = 206
    response.lines = entry.lines[: entry.cut] + b"Content-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n" % (
        first,
        end - 1,
        entry.size,
        end - first,
    )
    return part
