"""Tests that run on a laptop. A package, so that MicroPython imports `host_tests.vectors` as CPython does."""
