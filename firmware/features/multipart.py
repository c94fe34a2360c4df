"""Reads the parts of a multipart form: fields and files of any size (RFC 7578).

A handler with `stream=True` takes one after another:

    @app.post("/upload", stream=True)
    async def upload(request):
        async for part in Parts(request):
            if part.filename is None:
                text = await part.text()
            else:
                await part.save("/data/" + part.safe_filename, 100000)
"""

from firmware.features import uploads
from firmware.http import forms
from firmware.http.errors import HTTPError
from firmware.http.urls import decode_text

# Bytes of a form's field, which is kept as text; more belongs into a file.
_MAX_TEXT_BYTES = 2048


class Parts:
    """An asynchronous iterator of the Parts in their order; the unread rest of a part is skipped.

    A file field without a chosen file is left out. For a route with `stream=True`. Raises 400 and 413 as
    `forms.Multipart` does.
    """

    def __init__(self, request):
        """Raises 415 if the body is not multipart/form-data, 400 for a missing boundary."""
        self._parser = forms.Multipart(forms.boundary_of(request.headers.get("content-type")))
        self._stream = request.stream()
        self._events = iter(())
        self._first = None  # the next piece of a part's data, if it was read ahead
        self.is_inside = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            while self.is_inside:
                await self.data()
            event = await self._next()
            if event is None:
                raise StopAsyncIteration
            self.is_inside = True
            part = Part(self, event[1])
            if part.filename == "":
                self._first = await self.data()
            if self.is_inside:
                return part

    async def data(self):
        """Return the next bytes of the part, or None at its end."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        # A form that ends inside a part is refused, so None never comes there.
        kind, data = await self._next()
        if kind == forms.DATA:
            return data
        self.is_inside = False
        return None

    async def _next(self):
        """Return the next event, or None after the last one."""
        while True:
            event = next(self._events, None)
            if event:
                return event
            try:
                chunk = await self._stream.__anext__()
            except StopAsyncIteration:
                self._parser.close()
                return None
            self._events = self._parser.feed(chunk)


class Part:
    """One part: `name` text, `filename` as the client sent it or None, `content_type` text; an iterator of its data."""

    def __init__(self, form, head):
        self._form = form
        self.name = head.name
        self.filename = head.filename
        self.content_type = head.content_type

    @property
    def safe_filename(self):
        """The file's name, made valid for the storage."""
        return uploads.safe_filename(self.filename or "")

    def __aiter__(self):
        return self

    async def __anext__(self):
        """Return the next bytes-like piece, valid until the next call."""
        data = await self._form.data() if self._form.is_inside else None
        if data is None:
            raise StopAsyncIteration
        return data

    async def text(self):
        """Return a field's value as text. Raises 413 for a long one, 400 if it is not UTF-8."""
        value = b""
        async for data in self:
            value += data
            if len(value) > _MAX_TEXT_BYTES:
                raise HTTPError(413, "The field %s is too long." % self.name)
        return decode_text(value)

    async def save(self, path, max_bytes):
        """Write the part to a file as `uploads.save` does; return its size."""
        return await uploads.save(self, path, max_bytes)
