"""What the settings may be: a table for `http/validator.py`, and what it cannot say."""

import sys

from firmware.http import validator

# More would make a round through them longer than anybody waits; each costs some 200 bytes of heap.
_MAX_NETWORKS = 8
_MAX_TIME_SERVERS = 4
_MAX_PATHS = 12
_MAX_PATH = 32
_MAX_ORIGINS = 4
# IEEE 802.11: an SSID has up to 32 bytes.
_MAX_SSID_BYTES = 32
# Each costs some 300 bytes of heap, and the page a line.
_MAX_PINS = 12
_MAX_NAME = 24
# What `network.hostname()` takes.
_MAX_HOSTNAME = 32
# RFC 1035 2.3.4, as text.
_MAX_SERVER = 253

_DIGITS = "0123456789"
_NAME_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-" + _DIGITS

_UNKNOWN = "There is no such setting."


def read(value, old, wrong, is_lax=False):
    """Return a document as settings: all members there, defaults filled in.

    `old`: the settings whose secrets a document keeps by giving them as true; false is none. `wrong`: a dict that gets
    what is wrong, {"networks.0.ssid": "..."}; what is returned is settings only while it stays empty. `is_lax`: pass
    over members that are not in the table, and pins, which other versions may have written.
    """
    table = _table(value, old)
    value = _with_secrets(table, value, old, wrong, "")
    if is_lax:
        value = _with_known_pins(value)
    found = validator.read(table, value, wrong, "", None if is_lax else _UNKNOWN)
    if "" in wrong:
        wrong["settings"] = wrong.pop("")
    if not wrong:
        _check_whole(found, wrong)
    return found


def public(value, row=None):
    """Return settings without their secrets: each is true where there is one, else false."""
    row = row or _table(value)
    if type(row) is tuple:
        if row[0] in _SECRETS:
            return value is not None
        row = row[0]
    if type(row) is dict and value is not None:
        return {name: public(value[name], row[name]) for name in row}
    if type(row) is list:
        return [public(item, row[0]) for item in value]
    return value


def _table(*documents):
    """Return the table, with the project's settings where there is one; while it is left out they are kept unseen."""
    # While it is imported it has none yet.
    rows = getattr(sys.modules.get("firmware.settings"), "rows", None)
    row = rows and rows(_check_own_secret)
    if row is None:
        if not [document for document in documents if type(document) is dict and document.get("project")]:
            return SCHEMA
        row = _check_unseen, None
    table = dict(SCHEMA)
    table["project"] = row
    return table


def _with_secrets(row, value, old, wrong, path):
    """Return a value with the old secrets where it has true, and with none where it has false."""
    key = None
    if type(row) is tuple:
        if row[0] in _SECRETS:
            if value is True and old is None:
                wrong[path] = "There is none to keep: give it, not true."
            return value if type(value) is not bool else old if value else None
        if len(row) > 3:
            key = row[3]
        row = row[0]
    if path:
        path += "."
    if type(row) is dict and type(value) is dict:
        if type(old) is not dict:
            old = {}
        kept = dict(value)
        for name in row:
            if name in value:
                kept[name] = _with_secrets(row[name], value[name], old.get(name), wrong, path + name)
        return kept
    if type(row) is list and type(value) is list:
        kept = []
        for at, item in enumerate(value):
            # The order may have changed: an item is known by its name.
            name = item.get(key) if type(item) is dict else None
            before = [known for known in old or () if key and known[key] == name]
            kept.append(_with_secrets(row[0], item, before[0] if before else None, wrong, "%s%d" % (path, at)))
        return kept
    return value


def _with_known_pins(value):
    """Return a document without pins as another version has them: they must not take the networks with them."""
    pins = value.get("pins") if type(value) is dict else None
    gpio = pins.get("gpio") if type(pins) is dict else None
    if type(gpio) is not list:
        return value
    kept = []
    for pin in gpio[:_MAX_PINS]:
        wrong = {}
        validator.read(SCHEMA["pins"]["gpio"][0][0], pin, wrong, "", None)
        if wrong or pin["number"] in [other["number"] for other in kept]:
            print("limpet: a pin of the settings is left out: %s" % (wrong or pin))
        elif pin["number"] != pins.get("led"):
            kept.append(pin)
    value, pins = dict(value), dict(pins)
    value["pins"] = pins
    pins["gpio"] = kept
    return value


def _check_whole(found, wrong):
    """Look whether the members fit each other."""
    for at, network in enumerate(found["networks"]):
        if network["address"]:
            _check_address(network["address"], "networks.%d.address." % at, wrong)
    if found["ports"]["https"] == found["ports"]["http"]:
        wrong["ports.https"] = "Must be another port than http's."
    for at, pin in enumerate(found["pins"]["gpio"]):
        if pin["number"] == found["pins"]["led"]:
            wrong["pins.gpio.%d.number" % at] = "Must be another pin than the LED's."


def _check_address(address, path, wrong):
    """Look whether the members of a static address fit each other."""
    ip, mask, gateway = [_number(address[name]) for name in ("ip", "mask", "gateway")]
    hosts = mask ^ 0xFFFFFFFF
    if hosts & (hosts + 1) or hosts < 3:
        wrong[path + "mask"] = "Must be a network's mask, as 255.255.255.0."
    elif ip & hosts in (0, hosts):
        wrong[path + "ip"] = "Must be the address of one host in the network."
    elif ip & mask != gateway & mask:
        wrong[path + "gateway"] = "Must be in the same network as the address."


def _number(text):
    """Return an IPv4 address as a number, or None."""
    words = text.split(".") if type(text) is str else ()
    number = 0
    for word in words:
        # Not "01", which some read as octal.
        if not 0 < len(word) < 4 or word.strip(_DIGITS) or word[0] == "0" < word or int(word) > 255:
            return None
        number = number << 8 | int(word)
    return number if len(words) == 4 else None


# -- kinds: each returns what is wrong, or None


def _is_label(text):
    """Tell whether a text is a label of a host name (RFC 1123 2.1)."""
    return 0 < len(text) < 64 and not text.strip(_NAME_LETTERS) and text[0] != "-" != text[-1]


def _check_after(value, low, high):
    return None if value is None else validator.check_type(int, value, low, high)


def _check_off(value, low, high):
    if type(value) is not int or value and not low <= value <= high:
        return "Must be 0 (off) or a whole number from %d to %d." % (low, high)


def _check_choice(value, *choices):
    if value not in choices:
        return "Must be one of: %s." % ", ".join(choices)


def _check_name(value):
    if type(value) is str and 0 < len(value) <= _MAX_NAME and value.strip():
        for letter in value:
            if letter < " " or "\x7f" <= letter <= "\x9f":
                break
        else:
            return None
    return "A name has 1 to %d characters." % _MAX_NAME


def _check_hostname(value):
    if type(value) is not str or len(value) > _MAX_HOSTNAME or not _is_label(value):
        return "A host name has 1 to %d letters, digits and hyphens, no hyphen at an end." % _MAX_HOSTNAME


def _check_path(value):
    if type(value) is not str or not 0 < len(value) <= _MAX_PATH or value[0] != "/":
        return "A path begins with a slash, and has up to %d characters." % _MAX_PATH


def _check_server(value):
    if type(value) is str and len(value) <= _MAX_SERVER:
        for label in value.split("."):
            if not _is_label(label):
                break
        else:
            return None
    return "Must be a host's name or address."


def _check_origin(value):
    # RFC 6454 6.2: as browsers write it, or none would ever be equal.
    if type(value) is str and value.startswith("http") and value == value.lower():
        scheme, _, authority = value.partition("://")
        host, colon, port = authority.partition(":")
        is_port = 0 < len(port) < 6 and not port.strip(_DIGITS) and port[0] != "0" and int(port) < 65536
        usual = {"http": "80", "https": "443"}.get(scheme)
        if usual and not _check_server(host) and (is_port and port != usual if colon else True):
            return None
    return "Must be an origin as browsers write it: https://board.example.org, http://example.org:8080."


def check_ssid(value):
    """Return what is wrong with the name of a Wi-Fi network."""
    if type(value) is not str or not 0 < len(value.encode()) <= _MAX_SSID_BYTES or "\0" in value:
        return "A network's name has 1 to %d bytes." % _MAX_SSID_BYTES


def check_key(value):
    """Return what is wrong with the password of a Wi-Fi network that has one."""
    # IEEE 802.11: 8 to 63 printable ASCII characters, or the key itself as 64 hex digits.
    if type(value) is str and 8 <= len(value) <= 63:
        for letter in value:
            if not " " <= letter <= "~":
                break
        else:
            return None
    if type(value) is str and len(value) == 64 and not value.strip("abcdefABCDEF" + _DIGITS):
        return None
    return "A Wi-Fi password has 8 to 63 ASCII characters, or 64 hex digits; an open network has none."


def _check_hash(value):
    words = value.split("$") if type(value) is str and len(value) < 256 else ()
    # A password in plain text must never get here by mistake; and a hash that none fits would lock everybody out.
    if (
        len(words) != 4
        or words[0] != "pbkdf2-sha256"
        or not 0 < len(words[1]) < 6
        or words[1].strip(_DIGITS)
        or not (words[2] and len(words[2]) % 2 == 0 and len(words[3]) == 64)
        or (words[2] + words[3]).strip("abcdefABCDEF" + _DIGITS)
    ):
        return "Must be a salted hash, pbkdf2-sha256$ITERATIONS$SALT$HASH."


def _check_ipv4(value):
    if _number(value) is None:
        return "Must be an IPv4 address."


def _check_own_secret(value, schema):
    """Return what is wrong with a secret of the project's."""
    return sys.modules["firmware.settings"].check(value, schema)


def _check_unseen(value):
    """Return what is wrong with settings whose project is left out: they are shown to nobody."""
    return None if type(value) is dict else "Must be an object."


# -- the table

_SECRETS = (check_key, _check_hash, _check_own_secret, _check_unseen)

SCHEMA = {
    "hostname": (_check_hostname, "limpet"),
    "networks": (
        [
            {
                "ssid": (check_ssid, validator.REQUIRED),
                "password": (check_key, None),
                "address": (
                    {
                        "ip": (_check_ipv4, validator.REQUIRED),
                        "mask": (_check_ipv4, "255.255.255.0"),
                        "gateway": (_check_ipv4, validator.REQUIRED),
                        "dns": (_check_ipv4, validator.REQUIRED),
                    },
                    None,
                ),
            }
        ],
        [],
        _MAX_NETWORKS,
        "ssid",
        "This network is in the list already.",
    ),
    # `after_s` without any network it opens; null: never.
    "access_point": {
        "ssid": (check_ssid, None),
        "password": (check_key, None),
        "after_s": (_check_after, 60, 5, 86400),
    },
    "admin": (_check_hash, None),
    # What may be read without a log-in though there is a password: paths of site/guards.py, each with all below it.
    "public": (
        [_check_path],
        ["/api/events", "/api/led", "/api/pins", "/api/readings", "/api/readings.csv", "/api/status", "/metrics"],
        _MAX_PATHS,
    ),
    "time_servers": ([_check_server], ["pool.ntp.org", "time.cloudflare.com"], _MAX_TIME_SERVERS),
    # By what a browser asks for this board where that is not its name or address, as behind a proxy.
    "origins": ([_check_origin], [], _MAX_ORIGINS),
    # With https, http sends everybody there; null: off.
    "ports": {"http": (int, 80, 1, 65535), "https": (int, None, 1, 65535)},
    # Null: what the server has of its own (server/limits.py). lwIP has some ten sockets, two of them for other things.
    "limits": {
        # A page with its live connection open needs two more.
        "connections": (int, None, 3, 8),
        "waiting": (int, None, 1, 8),
        "long_lived": (int, None, 1, 7),
        # The settings themselves have to fit.
        "body_bytes": (int, None, 4096, 65536),
        # A tunnel's assertion and cookies make a head of several KB: whoever sends one takes that from the heap.
        "head_bytes": (int, None, 1024, 8192),
        "target_bytes": (int, None, 256, 4096),
        "fields": (int, None, 24, 128),
        "head_ms": (int, None, 1000, 60000),
        "silence_ms": (int, None, 1000, 120000),
        "rate_bytes": (int, None, 256, 65536),
        "idle_ms": (int, None, 500, 120000),
        "ping_ms": (int, None, 1000, 600000),
        "message_bytes": (int, None, 256, 65536),
        "requests": (int, None, 1, 100000),
    },
    "pins": {
        "led": (int, None, 0, 54),
        "led_inverted": (bool, False),
        # Pins that others may read, and set where they are no inputs.
        "gpio": (
            [
                {
                    "number": (int, validator.REQUIRED, 0, 54),
                    "name": (_check_name, validator.REQUIRED),
                    "mode": (_check_choice, validator.REQUIRED, "input", "input_pull_up", "output", "pwm"),
                    # Servos take 50, lamps 1000, silent fans 25000. Some chips cannot do less than 5.
                    "frequency_hz": (int, 1000, 10, 100000),
                    # A low level is on.
                    "inverted": (bool, False),
                }
            ],
            [],
            _MAX_PINS,
            "number",
            "This pin is in the list already.",
        ),
    },
    # Sooner, and a router that starts anew would have every board reset.
    "wifi": {"reset_after_s": (_check_off, 0, 300, 604800)},
    # Whether what a small board leaves out is there (site/guards.py); null: by the board's size.
    "guards": (bool, None),
    # A name that nobody resolves blocks everything for up to 20 s (two DNS servers, ten each): longer than that.
    "watchdog_s": (_check_off, 0, 30, 3600),
}
