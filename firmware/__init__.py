"""Limpet: a web server that lives on an ESP32. What users import is here; each name loads its module on first use."""

NAME = "Limpet"
VERSION = "0.1.0"

_WHERE = {
    "App": "firmware.server.app",
    "HTTPError": "firmware.http.errors",
    "Request": "firmware.http.request",
    "Response": "firmware.http.response",
}


def __getattr__(name):
    if name in _WHERE:
        value = getattr(__import__(_WHERE[name], None, None, (name,)), name)
    elif name.startswith("_"):
        raise AttributeError(name)
    else:
        # MicroPython asks here before it looks for a submodule: `from firmware import board`.
        try:
            value = __import__("firmware." + name, None, None, (name,))
        except ImportError:
            # `redirect`, `send_file`, `escape` and so on: they cost nothing before, not even their names.
            value = getattr(__import__("firmware.features.answers", None, None, (name,)), name)
    globals()[name] = value
    return value
