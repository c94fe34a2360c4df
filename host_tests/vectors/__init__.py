"""Test data that CPython and MicroPython share: each module has `CASES` and `check(case)`; run.py runs them."""
