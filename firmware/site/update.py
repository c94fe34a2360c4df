"""The firmware over the air, for administrators alone: stage files, then change to them all at once.

    GET    /api/update              {"tree": SHA-256 of the manifest, "state", "run", "mpy", "free_bytes",
                                    "python_bytes" in all, "frozen": {"version", "tree"} in the image, or null,
                                    "signed": whether only the owner's signature lets a tree in}
    GET    /api/update/files        what is there, a line each: "SHA256 PATH", "/ FOLDER"
    GET    /api/update/manifest     the manifest of the tree that runs
    PUT    /api/update/files/NAME   stage a file; its Content-Digest (RFC 9530) is verified
    DELETE /api/update              throw away what is staged
    POST   /api/update              {"manifest": SHA-256, "signed_at", "signature"}: verify it all, and change; the
                                    board starts anew. The last two, where the owner signs (board/signature.py)
    GET    /api/update/image        the slots for MicroPython, as `image.report` tells; 409 where there is one alone
    PUT    /api/update/image        write MicroPython itself to the slot that does not run; Content-Digest as above
    POST   /api/update/image        {"image": SHA-256, "bytes", "signed_at", "signature"}: start from there, as above

`run` differs after each start. `python3 -m tools deploy --host` and `update-firmware --host` are the clients;
firmware/board/update.py and image.py do the work.
"""

import asyncio
import hashlib
import os
from binascii import a2b_base64, hexlify

import firmware.board as board
from firmware import App, HTTPError, Response
from firmware.board import memory, recovery, update
from firmware.features import uploads
from firmware.features.signing import random_hex
from firmware.server import loader
from firmware.site import guards

app = App()
app.can_go = True  # what it knows is in the storage
app.json_errors = True

# More than a board's flash: beyond it somebody is mistaken.
_MAX_FILE_BYTES = 4 * 1024 * 1024

# For the answer to be on its way.
_RESTART_MS = 500

_HEX = "0123456789abcdef"
_NAME_CHARACTERS = 16
_HASH_CHARACTERS = 64

_TEXT = "text/plain; charset=utf-8"

_run = guards.kept.setdefault("run", random_hex(8))
_is_preparing = False
_is_writing = False  # an image


@app.before
def guard(request):
    """Let in nobody but administrators, whatever they ask for, in safe mode too."""
    if recovery.root is None:
        raise HTTPError(404, "What runs on a laptop is not updated over the network.")
    return guards.auth().demand(request, "admin")


@app.get("/api/update")
async def read(request):
    """Return which tree runs, and what is under way."""
    recovery.is_reached = True
    return {
        "tree": await update.digest(recovery.root + update.MANIFEST),
        "state": update.state(),
        "run": _run,
        "mpy": update.mpy_format(),
        "free_bytes": _free_bytes(),
        "python_bytes": memory.keeper.total if memory.keeper else None,
        "frozen": update.frozen(),
        "signed": update.is_signed(),
    }


def _image():
    return loader.borrow("firmware.board.image")


@app.get("/api/update/files")
def files(request):
    """Return what is there."""
    return Response(update.listing(), content_type=_TEXT)


@app.get("/api/update/manifest")
def manifest(request):
    """Return the manifest of the tree that runs. Raises 404 where nothing was deployed."""
    try:
        file = open(recovery.root + update.MANIFEST, "rb")  # noqa: SIM115 - closed by `_blocks`
    except OSError:
        raise HTTPError(404, "Nothing was deployed.")
    return Response(_blocks(file), content_type=_TEXT)


def _blocks(file):
    with file:
        while True:
            block = file.read(1024)
            if not block:
                return
            yield block


@app.put("/api/update/files/<name>", stream=True)
async def put(request, name):
    """Stage a file. 204; 400 for a name or digest that is none, 422 where the content is another, 507 for no room."""
    _check_idle()
    if not _is_hex(name, _NAME_CHARACTERS):
        raise HTTPError(400, "This is no name of a staged file.")
    expected = _content_digest(request)
    try:
        os.mkdir(update.home()[:-1])
    except OSError:
        pass  # it is there
    await uploads.save(_Verified(request.stream(), expected), update.home() + name, _MAX_FILE_BYTES)


@app.delete("/api/update")
def delete(request):
    """Throw away what is staged."""
    _check_idle()
    update.discard()


def _check_hash(value):
    return None if type(value) is str and _is_hex(value, _HASH_CHARACTERS) else "Must be a SHA-256 in hex digits."


_SIGNED = {"signed_at": (int, 0), "signature": (str, "")}


@app.post("/api/update", schema=dict(_SIGNED, manifest=_check_hash))
def change(request):
    """Verify what is staged and change to it. 202.

    Raises 409, 422 and 507 as `update.prepare`, 403, 409 and 503 as `signature.check`: nothing changed then.
    """
    return _change(request.json, update, request.json["manifest"])


@app.get("/api/update/image")
def read_image(request):
    """Return which MicroPython runs, and where. 409 where there is one slot."""
    return _image().report()


@app.put("/api/update/image", stream=True)
async def put_image(request):
    """Write an image. 204; 400 for a digest that is none, 409, 413 and 422 as `image.write`."""
    global _is_writing
    _check_slot()
    expected = _content_digest(request)
    _is_writing = True
    try:
        await _image().write(_Verified(request.stream(), expected), request.length)
    finally:
        _is_writing = False


@app.post("/api/update/image", schema=dict(_SIGNED, image=_check_hash, bytes=int))
def change_image(request):
    """Verify the image and start it. 202. Raises 409, 413 and 422 as board/image.py, and as `signature.check`."""
    _check_slot()
    return _change(request.json, _image(), request.json["image"], request.json["bytes"])


async def _change(asked, part, *wanted):
    """Change to what is wanted, a tree or an image: that is what `part` does."""
    global _is_preparing
    from firmware.board import signature

    _check_idle()
    _is_preparing = True
    try:
        signed_at = signature.check(wanted[0], asked["signed_at"], asked["signature"])
        await part.prepare(*wanted)
        signature.keep(signed_at)
        # What is new begins with no failures of the old one's. From here on nothing waits.
        recovery.confirm()
        part.commit()
        asyncio.create_task(_restart())
    finally:
        _is_preparing = False
    return {"message": "The board changes over and starts anew."}, 202


async def _restart():
    await board.sleep_ms(_RESTART_MS)
    board.reset()


def _check_idle():
    """Raise 409 while there is another change: what it needs is not to be touched."""
    state = "preparing" if _is_preparing else update.state()
    if state == "trial":
        raise HTTPError(409, "New files are on trial until they have run for a minute: try again then.")
    if state:
        raise HTTPError(409, "A change is under way already.")


def _check_slot():
    """Raise 409 while the other slot is not to be touched."""
    _check_idle()
    if _is_writing:
        raise HTTPError(409, "An image is being written already.")


class _Verified:
    """What another asynchronous iterator yields; its end raises 422 unless the content is the expected one."""

    def __init__(self, source, expected):
        self._source = source
        self._expected = expected
        self._found = hashlib.sha256()

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            data = await self._source.__anext__()
        except StopAsyncIteration:
            if self._found.digest() != self._expected:
                raise HTTPError(422, "The content is not that of its digest.")
            # A change may have begun meanwhile: what it has verified stays as it is.
            _check_idle()
            raise
        self._found.update(data)
        return data


def _content_digest(request):
    """Return the SHA-256 in a request's Content-Digest, `sha-256=:BASE64:` (RFC 9530 section 2). Raises 400."""
    value = (request.headers.get("content-digest") or "").strip()
    if value.startswith("sha-256=:") and value.endswith(":"):
        try:
            found = a2b_base64(value[9:-1].encode())
            if len(hexlify(found)) == _HASH_CHARACTERS:
                return found
        except ValueError:
            pass
    raise HTTPError(400, "A file needs its Content-Digest, with sha-256.")


def _is_hex(text, length):
    return len(text) == length and not text.strip(_HEX)


def _free_bytes():
    try:
        info = os.statvfs(recovery.root + "/")
        return info[0] * info[3]
    except (AttributeError, OSError):
        return None
