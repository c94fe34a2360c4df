"""The laptop's half of `native`: decorators that change nothing, pointers that are the checked buffer itself."""


class micropython:
    """The decorators of MicroPython's module of this name, as they are on CPython: nothing."""

    @staticmethod
    def viper(function):
        return function


def const(value):
    """Mark a compile-time constant."""
    return value


def ptr8(buffer):
    """Return `buffer`, or text as bytes, indexed by bytes: what viper's cast of the same name does without checks."""
    return buffer.encode() if type(buffer) is str else buffer


ptr16 = ptr8


class ptr32:
    """A buffer of bytes, indexed by words of four bytes, of which the lowest comes first."""

    def __init__(self, buffer):
        self._buffer = buffer

    def __getitem__(self, at):
        b = self._buffer
        at *= 4
        return b[at] | b[at + 1] << 8 | b[at + 2] << 16 | b[at + 3] << 24
