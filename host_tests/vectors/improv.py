"""Improv over serial, byte by byte: (name, what comes, what goes, what the station was asked)."""

from firmware.board import improv

STATE_READY = b"IMPROV\x01\x01\x01\x02\xe2\n"
STATE_JOINING = b"IMPROV\x01\x01\x01\x03\xe3\n"
STATE_JOINED = b"IMPROV\x01\x01\x01\x04\xe4\n"
NO_ERROR = b"IMPROV\x01\x02\x01\x00\xe1\n"
INVALID = b"IMPROV\x01\x02\x01\x01\xe2\n"
UNKNOWN = b"IMPROV\x01\x02\x01\x02\xe3\n"
NOT_JOINED = b"IMPROV\x01\x02\x01\x03\xe4\n"

ADDRESS = "http://192.168.1.7/"

# As the page sends them.
ASK_STATE = b"IMPROV\x01\x03\x02\x02\x00\xe5\n"
ASK_ABOUT = b"IMPROV\x01\x03\x02\x03\x00\xe6\n"
ASK_SCAN = b"IMPROV\x01\x03\x02\x04\x00\xe7\n"
ASK_HOSTNAME = b"IMPROV\x01\x03\x02\x05\x00\xe8\n"


def packet(kind, data):
    made = b"IMPROV\x01" + bytes((kind, len(data))) + data
    return made + bytes((sum(made) & 255,)) + b"\n"


def join(argument):
    return packet(3, bytes((1, len(argument))) + argument)


HOME = join(b"\x04Home\x09password1")
JOINED = packet(4, b"\x01\x14\x13" + ADDRESS.encode())

CASES = [
    ("state", ASK_STATE, STATE_READY, []),
    ("about", ASK_ABOUT, packet(4, b"\x03\x1b\x06Limpet\x051.2.3\x05ESP32\x07limpet2"), []),
    (
        "scan",
        ASK_SCAN,
        packet(4, b"\x04\x0d\x04Home\x03-60\x03YES")
        + packet(4, b"\x04\x0f\x07B\xc3\xbccher\x03-71\x02NO")
        + packet(4, b"\x04\x00"),
        ["scan"],
    ),
    ("join", HOME, NO_ERROR + STATE_JOINING + STATE_JOINED + JOINED, [("Home", "password1")]),
    (
        "state once joined",
        HOME + ASK_STATE,
        NO_ERROR + STATE_JOINING + STATE_JOINED + JOINED + STATE_JOINED + packet(4, b"\x02\x14\x13" + ADDRESS.encode()),
        [("Home", "password1")],
    ),
    (
        "join of an open network",
        join(b"\x04Open\x00"),
        NO_ERROR + STATE_JOINING + STATE_JOINED + JOINED,
        [("Open", "")],
    ),
    (
        "join in vain",
        join(b"\x04Home\x05wrong"),
        NO_ERROR + STATE_JOINING + NOT_JOINED + STATE_READY,
        [("Home", "wrong")],
    ),
    ("join without anything", join(b""), INVALID, []),
    ("join cut off in the name", join(b"\x09Home"), INVALID, []),
    ("join without a password", join(b"\x04Home"), INVALID, []),
    ("join cut off in the password", join(b"\x04Home\x09pass"), INVALID, []),
    ("join with more behind", join(b"\x04Home\x04pass!"), INVALID, []),
    ("join with a name that is no text", join(b"\x02\xff\xfe\x00"), INVALID, []),
    ("command that is not known", ASK_HOSTNAME, UNKNOWN, []),
    ("command without its length", packet(3, b"\x02"), INVALID, []),
    ("command with another length", packet(3, b"\x02\x01"), INVALID, []),
    ("no command", packet(3, b""), INVALID, []),
    ("wrong sum", b"IMPROV\x01\x03\x02\x02\x00\xe6\n", INVALID, []),
    ("state of another board", STATE_READY, b"", []),
    ("between others' lines", b"boot: 4\r\nIMPROVE\n" + ASK_STATE + b"IMPR", STATE_READY, []),
    ("head that begins twice", b"IMPIMPROV" + ASK_STATE[6:], STATE_READY, []),
]

# Nobody is known to be there for these, and the board goes on as without them.
NO_COMMANDS = (
    "command without its length",
    "command with another length",
    "no command",
    "wrong sum",
    "state of another board",
)

# Ctrl-C that is in no packet: what comes before it.
CASES += [("Ctrl-C behind %r" % before, before, KeyboardInterrupt, []) for before in (b"", b"\r", b"IMP", ASK_STATE)]


class Station:
    """What a board is to a session; `asked` is what it was asked."""

    def __init__(self):
        self.asked = []

    def join(self, ssid, password):
        self.asked.append((ssid, password))
        return None if password == "wrong" else ADDRESS

    def scan(self):
        self.asked.append("scan")
        return [("Home", -60, True), ("B\u00fccher", -71, False)]

    def about(self):
        return "Limpet", "1.2.3", "ESP32", "limpet2"


def check(case):
    name, coming, going, asked = case
    station = Station()
    sent = bytearray()
    session = improv.Session(sent.extend, station)
    taken = 0
    for byte in coming:
        taken += session.take(byte)
    if going is KeyboardInterrupt:
        try:
            session.take(3)
        except KeyboardInterrupt:
            return
        raise AssertionError("nobody noticed")
    if bytes(sent) != going or station.asked != asked:
        raise AssertionError("%r, %r" % (bytes(sent), station.asked))
    if (taken > 0) == (name in NO_COMMANDS):
        raise AssertionError("%d were taken for commands" % taken)
