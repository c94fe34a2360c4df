"""What a generator yields, whether or not it awaits things on its way: MicroPython has no asynchronous generators.

`await next()` gives the next one, None at the end; `await end()` ends it, wherever it is.
"""

from firmware.server import transport

if transport.MICROPYTHON:

    class Chunks:
        """What a generator yields, with or without awaiting things, or another iterator."""

        def __init__(self, source, first=None):
            self._source = source
            self._first = first

        def next(self):
            """Await the next one; return None at the end."""
            value = self._first
            if value is not None:
                self._first = None
            elif hasattr(self._source, "__anext__"):
                try:
                    value = yield from self._source.__anext__()
                except StopAsyncIteration:
                    pass
            elif type(self._source) is transport.GENERATOR:
                value = yield from transport.drive(self._source)
                if type(value) is StopIteration:
                    value = None
            else:
                value = next(self._source, None)
            return value

        def end(self):
            """Await its end, wherever it is."""
            if type(self._source) is transport.GENERATOR:
                try:
                    yield from transport.drive(self._source, GeneratorExit())
                except GeneratorExit:
                    pass

else:

    class Chunks:
        def __init__(self, source):
            self._source = source

        async def next(self):
            value = None
            while value is None:
                try:
                    if hasattr(self._source, "__anext__"):
                        value = await self._source.__anext__()
                    else:
                        value = next(self._source)
                except (StopIteration, StopAsyncIteration):
                    return None
            return value

        async def end(self):
            if hasattr(self._source, "aclose"):
                await self._source.aclose()
            elif hasattr(self._source, "close"):
                self._source.close()
