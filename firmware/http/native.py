"""Lets one source be native code on the board and plain Python on a laptop.

MicroPython's compiler knows `@micropython.viper`, `ptr8`, `ptr16` and `ptr32` by name and ignores what is bound to
them; CPython calls what is defined here: decorators that change nothing, pointers that are the checked buffer itself.
"""

try:
    import micropython
except ImportError:

    class micropython:
        """The decorators of MicroPython's module of this name, as they are on CPython: nothing."""

        @staticmethod
        def viper(function):
            return function


def const(value):
    """Mark a compile-time constant; MicroPython's compiler folds it and never calls this."""
    return value


def ptr8(buffer):
    """Return `buffer`, indexed by bytes: what viper's cast of the same name does without checks."""
    return buffer


ptr16 = ptr32 = ptr8
