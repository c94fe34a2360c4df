"""Responses for handlers: a redirect, a file, a page with values in it. Loaded by its first use.

All of it is imported from the package:

    from firmware import redirect, render, render_file, send_file
"""

import os

from firmware.http.errors import HTTPError
from firmware.http.escapes import quote
from firmware.http.response import HTML, Response
from firmware.server.errors import escape

_REDIRECTS = (301, 302, 303, 307, 308)

_KIND = 0xF000
_FILE = 0x8000

# Bytes of a page that are sent at once: few writes, and no large block of memory.
_PIECE_CHARACTERS = 512


def redirect(location, status=302):
    """Return a Response that sends the client to `location`, a path or an address. RFC 9110 15.4.

    303 makes it use GET, 307 and 308 the same method; 301 and 308 are permanent. Raises ValueError for another status.
    Spaces and characters that are not ASCII are percent-encoded; the rest is left as it is.
    """
    if status not in _REDIRECTS:
        raise ValueError("not a redirect: %r" % (status,))
    location = "".join([char if "!" <= char <= "~" else quote(char) for char in location])
    return Response(b"", status, {"Location": location})


def send_file(path, content_type=None, max_age_s=0, download_as=None):
    """Return a Response with the file at `path`, which is streamed. Raises 404 for none, and for a path with "..".

    `content_type`: by default from the name's extension; `max_age_s`: how long clients keep it without asking;
    `download_as`: the name under which browsers save it (RFC 6266). For a whole folder `app.static` is better: it has
    ranges, ETags and compressed copies.
    """
    file = None
    if ".." not in path.replace("\\", "/").split("/") and "\0" not in path:
        try:
            info = os.stat(path)
            if info[0] & _KIND == _FILE:
                file = open(path, "rb")
        except OSError:
            pass
    if file is None:
        raise HTTPError(404, "There is no such file.")
    if content_type is None:
        from firmware.server.static import content_type as by_name

        content_type = by_name(path)
    headers = {"Cache-Control": "max-age=%d" % max_age_s if max_age_s else "no-cache"}
    if download_as is not None:
        headers["Content-Disposition"] = "attachment; filename*=UTF-8''" + quote(download_as)
    response = Response(file, 200, headers, content_type)
    response.length = info[6]
    return response


def render(template, **values):
    """Return the text of `template` with `values` in place of `{{name}}`, escaped for HTML.

    `{{{name}}}` inserts a value that is HTML already. None inserts nothing. Raises ValueError for a name without a
    value, and for braces that are not closed.
    """
    made = []
    at = 0
    start = template.find("{{")
    while start >= 0:
        is_html = template[start + 2 : start + 3] == "{"
        braces = "}}}" if is_html else "}}"
        end = template.find(braces, start)
        name = template[start + len(braces) : max(end, 0)].strip()
        if end < 0 or name not in values:
            raise ValueError("there is no value for %s" % template[start : start + 40])
        value = values[name]
        value = "" if value is None else str(value)
        made += (template[at:start], value if is_html else escape(value))
        at = end + len(braces)
        start = template.find("{{", at)
    made.append(template[at:])
    return "".join(made)


def render_file(path, **values):
    """Return a Response with the result of `render` for a file (UTF-8), line by line: it need not fit into memory.

    A name and its braces must be on one line. Raises, while it is sent, OSError for a missing file, and as `render`.
    """
    response = Response(_lines(path, values), 200, None, HTML)
    # It ends as soon as it is read, so it takes no place of a live connection.
    response.is_brief = True
    return response


def _lines(path, values):
    piece = ""
    file = open(path, "rb")
    try:
        while True:
            line = file.readline()
            if len(piece) >= _PIECE_CHARACTERS or piece and not line:
                yield piece
                piece = ""
            if not line:
                return
            piece += render(line.decode(), **values)
    finally:
        file.close()
