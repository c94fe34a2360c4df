"""What a laptop tells whoever works on an application there. A board never has this file."""

from firmware.server import transport

_LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def trace(request, error):
    """Return the traceback of an error as text, for a browser on this machine; None for others."""
    if request.client not in _LOOPBACK:
        return None
    text = transport.new_text(1024)
    transport.print_exception(error, text)
    return bytes(text.getvalue()).strip(b"\0").decode()
