"""Lets one source be native code on the board and plain Python on a laptop.

MicroPython's compiler knows `@micropython.viper`, `ptr8`, `ptr16` and `ptr32` by name, folds `const`, and never calls
what is bound to them; CPython calls what `cpython` has.
"""

try:
    import micropython
    from micropython import const

    ptr8 = ptr16 = ptr32 = None
except ImportError:
    from firmware.http.cpython import const, micropython, ptr8, ptr16, ptr32  # noqa: F401 - for the others to import
