"""Files that clients store on the board: PUT, GET (with ranges), DELETE below /files/."""

import errno
import gc
import os

from firmware import App, HTTPError, Response
from firmware.board import storage
from firmware.features import uploads
from firmware.http.escapes import quote
from firmware.http.negotiate import preconditions
from firmware.http.response import JSON, encode_json
from firmware.http.urls import safe_path
from firmware.server import loader
from firmware.server.static import Static
from firmware.server.transport import is_pending

app = App()
app.can_go = True  # its state is in the storage
app.json_errors = True

# More than any board's flash: a larger upload is a mistake. The storage says what fits.
_MAX_FILE_BYTES = 16 * 1024 * 1024

# Bytes of a list that are sent at once; and the heap to leave free while names are read: the rest is not listed.
_PIECE_BYTES = 512
_RESERVE_BYTES = 12288

# Deeper than anybody sorts files on a board. Each level costs 8 KB of littlefs, and a recursion when it is listed.
_MAX_FOLDERS = 8

_static = None


def folder():
    """Return the folder of the files."""
    return storage.folder + "/files"


@app.get("/api/files")
def list_files(request):
    """Return the names and sizes of all files, and how many bytes are free (null: unknown).

    "more": whether some files are not listed, for lack of memory.
    """
    return listed(_list())


@app.put("/files/<path:name>", stream=True)
async def put(request, name):
    """Store a file, and replace one of this name. Returns 201 or 204.

    Raises 400 for an invalid name, 409 if the name is a folder, 412 if If-Match does not match, 413 for too many bytes,
    507 if the storage is full.
    """
    path = _path(name)
    if request.field(b"content-range") is not None:
        # RFC 9110 14.5: else a part would be stored as if it were the whole.
        raise HTTPError(400, "A file is stored as a whole.")
    if (request.length or 0) > _MAX_FILE_BYTES:
        raise HTTPError(413, "A file may have %d bytes here." % _MAX_FILE_BYTES)
    exists = await _check(request, name)
    _make_folders(path)
    try:
        await uploads.save(request.stream(), path, _MAX_FILE_BYTES)
    except BaseException:
        _remove_empty(path)
        raise
    if exists:
        return None
    return b"", 201, {"Location": "/files/" + quote(name)}


@app.get("/files/<path:name>")
async def get(request, name):
    """Return a file, or the requested ranges. Raises 404."""
    response = _search(name)(request)
    if is_pending(response):
        response = await response
    # A stored file must not act as a page of this site.
    response.set_header("Content-Security-Policy", "sandbox")
    return response


@app.delete("/files/<path:name>")
async def delete(request, name):
    """Delete a file, and folders that become empty. Raises 404, 412."""
    path = _path(name)
    if not await _check(request, name):
        raise HTTPError(404, "There is no such file.")
    _static.forget("/" + name)
    try:
        os.remove(path)
    except OSError as error:
        # The file is there, or was a moment ago; the storage may be read-only.
        if error.errno != errno.ENOENT:
            raise
        raise HTTPError(404, "There is no such file.")
    _remove_empty(path)


def listed(pieces):
    """Return a Response that sends JSON in pieces (bytes), several at once: a long list needs no more memory."""
    response = Response(_gathered(pieces), content_type=JSON)
    response.is_brief = True
    return response


def _gathered(pieces):
    text = bytearray()
    for piece in pieces:
        text.extend(piece)
        if len(text) >= _PIECE_BYTES:
            yield bytes(text)
            text = bytearray()
    yield bytes(text)


def _list():
    """Yield the list of files as JSON, in pieces."""
    left_out = []
    separator = b'{"files": ['
    for name, size in _files(folder(), "", left_out):
        yield separator
        separator = b", "
        yield encode_json({"name": name, "size": size})
    if separator != b", ":
        yield separator
    yield b'], "more": %s, "free_bytes": ' % (b"true" if left_out else b"false")
    free = _free_bytes()
    yield b"null}" if free is None else b"%d}" % free


def _files(path, prefix, left_out):
    """Yield (name, size) of all files in a folder and below, in order; add to `left_out` if names did not fit."""
    try:
        names = _names(path, left_out)
    except OSError:
        return  # nothing was ever stored
    names.sort()
    for name in names:
        try:
            info = os.stat("%s/%s" % (path, name))
        except OSError:
            continue  # deleted meanwhile
        if info[0] & 0xF000 == 0x4000:
            yield from _files("%s/%s" % (path, name), prefix + name + "/", left_out)
        elif name[0] != ".":
            yield prefix + name, info[6]


def _names(path, left_out):
    """Return the names in a folder, as many as fit into memory."""
    if loader.free_bytes is None or not hasattr(os, "ilistdir"):
        return os.listdir(path)
    names = []
    try:
        for entry in os.ilistdir(path):
            names.append(entry[0])
            if len(names) % 16 == 0 and loader.free_bytes() < _RESERVE_BYTES:
                gc.collect()
                if loader.free_bytes() < _RESERVE_BYTES:
                    raise MemoryError
    except MemoryError:
        # Room for the response itself.
        del names[len(names) * 3 // 4 :]
        left_out.append(path)
    return names


def _free_bytes():
    try:
        info = os.statvfs(storage.folder)
        return info[0] * info[3]
    except (AttributeError, OSError):
        return None


def _path(name):
    """Return the path of a file by its name. Raises 400 for an invalid name."""
    parts = name.split("/")
    is_plain = len(parts) <= _MAX_FOLDERS + 1 and safe_path(name) is not None
    if not is_plain or any(uploads.safe_filename(part) != part for part in parts):
        raise HTTPError(400, "A file's name has up to 64 bytes, no dot in front, and none of \\ : * ? \" < > |.")
    return "%s/%s" % (folder(), name)


def _search(name):
    """Return the Response to GET. Raises 404."""
    global _static
    if _static is None:
        # A client's `x.gz` is a file of its own, not a compressed copy.
        _static = Static(app, folder(), 0, False)
    found = _static.search("/" + name)
    if not found or not found[2]:
        raise HTTPError(404, "There is no such file.")
    return lambda request: found[1]["GET"](request, **found[2])


async def _check(request, name):
    """Check If-Match and If-None-Match (RFC 9110 13); return whether the file exists. Raises 412."""
    try:
        _search(name)
        os.stat(_path(name))
        exists = True
    except (HTTPError, OSError):
        exists = False
    get = request.headers.get
    if get("if-match") is not None or get("if-none-match") is not None:
        tag = await _static.tag("/" + name) if exists else None
        status = preconditions(get, tag, request.method)
        if status:
            raise HTTPError(status, "The file is not the one you mean.")
    return exists


def _make_folders(path):
    """Make the folders above a file. Raises 409 if a file is in the way, or the path is a folder."""
    at = len(folder())
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            is_folder = _is_folder(path[:at], None)
            if is_folder is None:
                raise
            if not is_folder:
                raise HTTPError(409, "A file and a folder cannot have the same name.")
        at = path.find("/", at + 1)
    if _is_folder(path, False):
        raise HTTPError(409, "A file and a folder cannot have the same name.")


def _is_folder(path, default):
    """Return whether a path is a folder, or `default` if it does not exist."""
    try:
        return os.stat(path)[0] & 0xF000 == 0x4000
    except OSError:
        return default


def _remove_empty(path):
    """Remove the empty folders above a file."""
    try:
        while True:
            path = path[: path.rfind("/")]
            if path == folder():
                break
            os.rmdir(path)
    except OSError:
        pass


# Left by a power cut during an upload.
uploads.clean(folder())
