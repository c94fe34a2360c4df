"""What the settings may be: a table, and the one function that reads a document by it.

A row of the table is a dict, an object with these members and no others; or (kind, default, ...) with what the kind
needs: a list how many items at the most, their row, and the member that tells them apart. A kind that ends in "?"
takes null too. Where the default is REQUIRED, the member has to be there.
"""

REQUIRED = ...

# More would make a round through them longer than anybody waits; each costs some 200 bytes of heap.
_MAX_NETWORKS = 8
_MAX_TIME_SERVERS = 4
# IEEE 802.11: an SSID has up to 32 bytes.
_MAX_SSID_BYTES = 32
# Each costs some 300 bytes of heap, and the page a line.
_MAX_PINS = 12
_MAX_NAME = 24
# What `network.hostname()` takes.
_MAX_HOSTNAME = 32
# RFC 1035 2.3.4, as text.
_MAX_SERVER = 253

_NETWORK = {
    "ssid": ("ssid", REQUIRED),
    "password": ("key?", None),
    "address": (
        "object?",
        None,
        {
            "ip": ("ipv4", REQUIRED),
            "mask": ("ipv4", "255.255.255.0"),
            "gateway": ("ipv4", REQUIRED),
            "dns": ("ipv4", REQUIRED),
        },
    ),
}

# A pin that others may read, and set where it is no input.
_PIN = {
    "number": ("int", REQUIRED, 0, 54),
    "name": ("name", REQUIRED),
    "mode": ("choice", REQUIRED, "input", "input_pull_up", "output", "pwm"),
    # Servos take 50, lamps 1000, silent fans 25000. Some chips cannot do less than 5.
    "frequency_hz": ("int", 1000, 10, 100000),
    # A low level is on.
    "inverted": ("bool", False),
}

SCHEMA = {
    "hostname": ("hostname", "limpet"),
    "networks": ("list", [], _MAX_NETWORKS, ("object", REQUIRED, _NETWORK), "ssid"),
    # `after_s` without any network it opens; null: never.
    "access_point": {"ssid": ("ssid?", None), "password": ("key?", None), "after_s": ("int?", 60, 5, 86400)},
    "admin": ("hash?", None),
    "time_servers": ("list", ["pool.ntp.org", "time.cloudflare.com"], _MAX_TIME_SERVERS, ("server", REQUIRED)),
    # With https, http sends everybody there; null: off.
    "ports": {"http": ("int", 80, 1, 65535), "https": ("int?", None, 1, 65535)},
    # Null: what the server has of its own (server/limits.py). lwIP has some ten sockets, two of them for other things.
    "limits": {
        # A page with its live connection open needs two more.
        "connections": ("int?", None, 3, 8),
        # The settings themselves have to fit.
        "body_bytes": ("int?", None, 4096, 65536),
        "head_ms": ("int?", None, 1000, 60000),
        "silence_ms": ("int?", None, 1000, 120000),
        "idle_ms": ("int?", None, 500, 120000),
        "requests": ("int?", None, 1, 100000),
    },
    "pins": {
        "led": ("int?", None, 0, 54),
        "led_inverted": ("bool", False),
        "gpio": ("list", [], _MAX_PINS, ("object", REQUIRED, _PIN), "number"),
    },
    # Sooner, and a router that starts anew would have every board reset.
    "wifi": {"reset_after_s": ("off", 0, 300, 604800)},
    # A name that nobody resolves blocks everything for up to 20 s (two DNS servers, ten each): longer than that.
    "watchdog_s": ("off", 0, 30, 3600),
}

_SECRETS = ("key", "hash")
_TWICE = {"ssid": "This network is in the list already.", "number": "This pin is in the list already."}


def read(value, old, wrong, is_lax=False):
    """Return a document as settings: all members there, defaults filled in.

    `old`: the settings whose secrets a document keeps by giving them as true; false is none. `wrong`: a dict that gets
    what is wrong, {"networks.0.ssid": "..."}; what is returned is settings only while it stays empty. `is_lax`: pass
    over members that are not in the table, which other versions may have written.
    """
    return _object(SCHEMA, value, "", old, wrong, is_lax)


def public(value, row=SCHEMA):
    """Return settings without their secrets: each is true where there is one, else false."""
    if type(row) is dict:
        return {name: public(value[name], row[name]) for name in row}
    kind = row[0].rstrip("?")
    if kind in _SECRETS:
        return value is not None
    if kind == "list":
        return [public(item, row[3]) for item in value]
    return value if value is None or kind != "object" else public(value, row[2])


def _object(row, value, path, old, wrong, is_lax):
    if type(value) is not dict:
        wrong[path or "settings"] = "This is an object."
        return None
    if path:
        path += "."
    for name in value:
        if name not in row and not is_lax:
            wrong[path + name] = "There is no such setting."
    read = {}
    for name in row:
        inner = row[name]
        before = old.get(name) if type(old) is dict else None
        if type(inner) is dict:
            read[name] = _object(inner, value.get(name, {}), path + name, before, wrong, is_lax)
        elif name in value:
            read[name] = _value(inner, value[name], path + name, before, wrong, is_lax)
        elif inner[1] is REQUIRED:
            wrong[path + name] = "This is required."
        else:
            read[name] = list(inner[1]) if type(inner[1]) is list else inner[1]
    if not wrong and "gateway" in row:
        _check_address(read, path, wrong)
    if not wrong and "https" in row and read["https"] == read["http"]:
        wrong[path + "https"] = "This is the port of http."
    if not wrong and "gpio" in row and is_lax:
        read["gpio"] = [pin for pin in read["gpio"] if pin["number"] != read["led"]]
    elif not wrong and "gpio" in row:
        for at, pin in enumerate(read["gpio"]):
            if pin["number"] == read["led"]:
                wrong["%sgpio.%d.number" % (path, at)] = "This is the LED's pin."
    return read


def _value(row, value, path, old, wrong, is_lax):
    kind = row[0]
    if kind[-1] == "?":
        kind = kind[:-1]
        if value is None:
            return None
    if kind == "object":
        return _object(row[2], value, path, old, wrong, is_lax)
    if kind == "list":
        return _list(row, value, path, old, wrong, is_lax)
    if kind in _SECRETS and type(value) is bool:
        if value and old is None:
            wrong[path] = "There is none to keep: give it, not true."
        return old if value else None
    reason = _CHECKS[kind](value, *row[2:])
    if reason:
        wrong[path] = reason
    return value


def _list(row, value, path, old, wrong, is_lax):
    key = row[4] if len(row) > 4 else None
    # Pins as another version has them must not take the networks and the password with them.
    is_tolerant = is_lax and key == "number"
    if type(value) is not list or len(value) > row[2] and not is_tolerant:
        wrong[path] = "This is a list of at most %d." % row[2]
        return None
    read = []
    names = set()
    for at, item in enumerate(value[: row[2]]):
        here = "%s.%d" % (path, at)
        own = {} if is_tolerant else wrong
        before = None
        name = item.get(key) if key and type(item) is dict else None
        if type(name) in (str, int):
            if name in names:
                own["%s.%s" % (here, key)] = _TWICE[key]
            names.add(name)
            # The order may have changed: an item is known by its name.
            for known in old or ():
                if known[key] == name:
                    before = known
        found = _value(row[3], item, here, before, own, is_lax)
        if is_tolerant and own:
            print("limpet: a pin of the settings is left out: %s" % own)
        else:
            read.append(found)
    return read


def _check_address(address, path, wrong):
    """Look whether the members of a static address fit each other."""
    ip, mask, gateway = [_number(address[name]) for name in ("ip", "mask", "gateway")]
    hosts = mask ^ 0xFFFFFFFF
    if hosts & (hosts + 1) or hosts < 3:
        wrong[path + "mask"] = "This is no network's mask."
    elif ip & hosts in (0, hosts):
        wrong[path + "ip"] = "This is the address of the network itself."
    elif ip & mask != gateway & mask:
        wrong[path + "gateway"] = "The gateway is in another network than the address."


def _number(text):
    """Return an IPv4 address as a number, or None."""
    words = text.split(".") if type(text) is str else ()
    number = 0
    for word in words:
        # Not "01", which some read as octal.
        if not 0 < len(word) < 4 or not _is_of(word, _DIGITS) or word[0] == "0" < word or int(word) > 255:
            return None
        number = number << 8 | int(word)
    return number if len(words) == 4 else None


# -- kinds: each returns what is wrong, or None

_DIGITS = "0123456789"
_NAME_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-" + _DIGITS


def _is_of(text, letters):
    for letter in text:
        if letter not in letters:
            return False
    return True


def _is_label(text):
    """Tell whether a text is a label of a host name (RFC 1123 2.1)."""
    return 0 < len(text) < 64 and _is_of(text, _NAME_LETTERS) and text[0] != "-" != text[-1]


def _check_int(value, low, high):
    if type(value) is not int or not low <= value <= high:
        return "This is a whole number from %d to %d." % (low, high)


def _check_off(value, low, high):
    if type(value) is not int or value and not low <= value <= high:
        return "This is 0 (off) or a whole number from %d to %d." % (low, high)


def _check_bool(value):
    if type(value) is not bool:
        return "This is true or false."


def _check_choice(value, *choices):
    if value not in choices:
        return "This is one of: %s." % ", ".join(choices)


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


def _check_server(value):
    if type(value) is str and len(value) <= _MAX_SERVER:
        for label in value.split("."):
            if not _is_label(label):
                break
        else:
            return None
    return "This is a host's name or address."


def _check_ssid(value):
    if type(value) is not str or not 0 < len(value.encode()) <= _MAX_SSID_BYTES or "\0" in value:
        return "A network's name has 1 to %d bytes." % _MAX_SSID_BYTES


def _check_key(value):
    # IEEE 802.11: 8 to 63 printable ASCII characters, or the key itself as 64 hex digits.
    if type(value) is str and 8 <= len(value) <= 63:
        for letter in value:
            if not " " <= letter <= "~":
                break
        else:
            return None
    if type(value) is str and len(value) == 64 and _is_of(value, "abcdefABCDEF" + _DIGITS):
        return None
    return "A Wi-Fi password has 8 to 63 ASCII characters, or 64 hex digits; an open network has none (null)."


def _check_hash(value):
    words = value.split("$") if type(value) is str and len(value) < 256 else ()
    # A password in plain text must never get here by mistake; and a hash that none fits would lock everybody out.
    if (
        len(words) != 4
        or words[0] != "pbkdf2-sha256"
        or not (0 < len(words[1]) < 6 and _is_of(words[1], _DIGITS))
        or not (words[2] and len(words[2]) % 2 == 0 and len(words[3]) == 64)
        or not _is_of(words[2] + words[3], "abcdefABCDEF" + _DIGITS)
    ):
        return "This is a salted hash, pbkdf2-sha256$ITERATIONS$SALT$HASH."


def _check_ipv4(value):
    if _number(value) is None:
        return "This is an IPv4 address."


_CHECKS = {
    "int": _check_int,
    "off": _check_off,
    "bool": _check_bool,
    "choice": _check_choice,
    "name": _check_name,
    "hostname": _check_hostname,
    "server": _check_server,
    "ssid": _check_ssid,
    "key": _check_key,
    "hash": _check_hash,
    "ipv4": _check_ipv4,
}
