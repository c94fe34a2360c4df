"""Refuses requests for host names that are not this board's.

    hosts.only_hosts(app, lambda: ["limpet", address])  # no other name is accepted

A board called "limpet" has this name in each local domain, too, and is "limpet-2" if mDNS has found another one of its
name (RFC 6762 9). Nobody outside the network controls such names.
"""

from firmware.http.errors import HTTPError
from firmware.http.request import text

# Special-use domains (RFC 6762 3, RFC 8375), and those of routers: no registry sells any of them.
_LOCAL = ("", ".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain")


def only_hosts(app, known):
    """Answer 421 (RFC 9110 7.4) to requests for another host: an attacker may let a name lead here (DNS rebinding).

    `known()` returns the board's names and addresses as text, in lower case, without ports: "limpet" or "limpet.local"
    also allow "limpet-2.local" and "limpet.lan" (see `is_named`). It returns None to allow all names while a setup page
    answers everything. If it returns no address, every address is allowed: only a name can be made to lead elsewhere.
    "localhost" is always allowed. HTTP/1.0 requests need no Host.
    """

    app.check_host = _Hosts(known).guard  # for the plain port, which redirects all clients to TLS
    app.before(app.check_host)


class _Hosts:
    def __init__(self, known):
        self._known = known
        self._names = None
        self._host = None  # the last accepted Host: most requests have the same

    def guard(self, request):
        host = request.field(b"host")
        names = self._known()
        if host is None or names is None or host == self._host and names == self._names:
            return
        if not is_known(host, names):
            raise HTTPError(421, "This board does not go by that name.")
        self._host = host
        # The list's owner may change it.
        self._names = names if type(names) is tuple else list(names)


def is_known(host, names):
    """Return whether a Host field's value (bytes) is one of `names` or an address: see `only_hosts`."""
    return _is_known(host_name(text(host)), names)


def host_name(host):
    """Return the name or address in a Host field's value (text): in lower case, without port and closing dot."""
    host = host.lower()
    colon = host.rfind(":")
    if colon > host.rfind("]"):
        host = host[:colon]
    if host.endswith("."):
        host = host[:-1]
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def names_of(origins):
    """Return the names, no addresses, in origins as "https://board.example.org:8443"."""
    names = [host_name(origin[origin.find("//") + 2 :]) for origin in origins]
    return [name for name in names if not is_address(name)]


def is_address(name):
    """Return whether a name is an IPv4 or IPv6 address."""
    if ":" in name:
        return True
    parts = name.split(".")
    for part in parts:
        if not 0 < len(part) < 4 or not part.encode().isdigit() or int(part) > 255:
            return False
    return len(parts) == 4


def is_named(name, host):
    """Return whether a name is the board `host` in a local domain, with or without -NUMBER. Both in lower case."""
    label = _label(name)
    dash = label.rfind("-")
    return label != "" and (label == host or dash > 0 and label[:dash] == host and label[dash + 1 :].isdigit())


def _label(name):
    """Return a name without its local domain, "" if it has another one."""
    dot = name.find(".")
    if dot < 0:
        return name
    return name[:dot] if name[dot:] in _LOCAL else ""


def _is_known(name, names):
    if name in names or name in ("localhost", "127.0.0.1", "::1"):
        return True
    if not is_address(name):
        for other in names:
            if is_named(name, _label(other)):
                return True
        return False
    for other in names:
        if is_address(other):
            return False
    return True
