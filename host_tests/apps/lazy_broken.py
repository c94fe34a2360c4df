"""A part whose import fails in the middle, in a module that it imports."""

from host_tests.apps import broken_half  # noqa: F401
