"""Sessions, under either interpreter: (name, scenario); a scenario is a function that raises where it does not hold."""

import json

from firmware.features.sessions import MAX_AGE_S, MAX_ENDED, Sessions

HERE = b"192.168.4.2\nrecord"
UNIX = 1800000000


class Store:
    """What keeps documents, as `board.storage`: as text, so that nothing is shared."""

    def __init__(self):
        self.files = {}
        self.is_full = False

    def load(self, name, default, is_sound):
        """Return a sound document, or the default."""
        document = json.loads(self.files[name]) if name in self.files else None
        return document if type(document) is type(default) and is_sound(document) else default

    def save(self, name, document):
        """Keep a document. Raises OSError where there is no room."""
        if self.is_full:
            raise OSError(28)
        self.files[name] = json.dumps(document)


class Board:
    """A board with its clocks; `start` begins anew with what was stored."""

    def __init__(self, unix=UNIX, uptime=100, secure=False):
        self.unix = unix
        self.uptime = uptime
        self.secure = secure
        self.store = Store()
        self.start()

    def start(self):
        """Start (again)."""
        self.sessions = Sessions(self.store, lambda: self.unix, lambda: self.uptime, self.secure)

    def begin(self, bound_to=HERE):
        """Return the Cookie field of a browser that logged in."""
        cookie = self.sessions.begin("admin", "write", bound_to)
        return cookie[: cookie.find(";")].encode()

    def read(self, field, bound_to=HERE):
        """Return the session of a Cookie field."""
        return self.sessions.read(field, bound_to)

    def pass_s(self, seconds):
        """Let time pass."""
        self.uptime += seconds
        if self.unix is not None:
            self.unix += seconds


def holds():
    """It tells who, and for how long."""
    board = Board()
    session = board.read(board.begin())
    assert (session.user, session.role, session.expires_s) == ("admin", "write", MAX_AGE_S)
    board.pass_s(1000)
    assert board.read(board.begin()).expires_s == MAX_AGE_S


def is_new_each_time():
    """No two are alike: what was there before a log-in is worth nothing."""
    board = Board()
    one, other = board.begin(), board.begin()
    assert one != other and board.read(one).id != board.read(other).id


def ends_in_time():
    """By either clock."""
    for unix in (UNIX, None):
        board = Board(unix)
        field = board.begin()
        board.pass_s(MAX_AGE_S - 1)
        assert board.read(field).expires_s == 1
        board.pass_s(1)
        assert board.read(field) is None
        board.pass_s(1 << 33)
        assert board.read(field) is None


def survives_a_restart():
    """With the key; where the clock is set again."""
    board = Board()
    field = board.begin()
    board.start()
    board.uptime = 0
    assert board.read(field)
    board.unix = None
    assert board.read(field) is None
    board.unix = UNIX + 60
    assert board.read(field).expires_s == MAX_AGE_S - 60


def without_a_clock_ends_with_the_start():
    """Seconds since another start say nothing."""
    board = Board(None)
    field = board.begin()
    assert board.read(field)
    board.start()
    assert board.read(field) is None


def goes_on_when_the_clock_is_set():
    """It is judged by the clock that it began with."""
    board = Board(None)
    field = board.begin()
    board.unix = UNIX
    assert board.read(field)
    board.pass_s(MAX_AGE_S)
    assert board.read(field) is None


def of_the_future_is_refused():
    """A clock that was wrong by years when it began."""
    board = Board()
    field = board.begin()
    board.unix -= 30
    assert board.read(field)
    board.unix -= 1000
    assert board.read(field) is None


def is_of_one_place():
    """A stolen cookie; a password that has changed."""
    board = Board()
    field = board.begin()
    assert board.read(field, b"192.168.4.3\nrecord") is None
    assert board.read(field, b"192.168.4.2\nother") is None
    assert board.read(field, b"") is None
    assert board.read(field)


def is_of_one_board():
    """Another board has another key."""
    assert Board().read(Board().begin()) is None


def cannot_be_altered():
    """Not in one character, nor cut, nor joined."""
    board = Board()
    field = board.begin()
    start = field.find(b"=") + 1
    for at in range(start, len(field)):
        for byte in (b"0", b"1", b".", b"u", b""):
            altered = field[:at] + byte + field[at + 1 :]
            assert altered == field or board.read(altered) is None, altered
    for size in range(len(field)):
        assert board.read(field[:size]) is None
    parts = field[start:].split(b".")
    for at in range(len(parts)):
        assert board.read(b"limpet=" + b".".join(parts[:at] + [b"admin"] + parts[at + 1 :])) is None or at == 0
        assert board.read(b"limpet=" + b".".join(parts[:at] + parts[at + 1 :])) is None


def of_any_kind():
    """What is no cookie of ours is nobody's."""
    board = Board()
    for value in (b"", b".", b"......", b"a.b.c.d.e.f.g", b"x" * 257, b"\xff\xfe", b"admin", b'"', b"." * 256, b"u.u"):
        assert board.read(b"limpet=" + value) is None
    assert board.read(None) is None
    assert board.read(b"other=1") is None


def stands_beside_planted_ones():
    """Which somebody else's page on the same host may set; a few."""
    board = Board()
    field = board.begin()
    assert board.read(b"limpet=planted; " + field)
    assert board.read(field + b"; limpet=planted")
    assert board.read(b"limpet=planted; limpet=planted; limpet=planted; " + field) is None


def ends_for_good():
    """Also over a restart, and no other with it."""
    board = Board()
    one, other = board.begin(), board.begin()
    board.sessions.end(board.read(one))
    assert board.read(one) is None and board.read(other)
    board.start()
    assert board.read(one) is None and board.read(other)


def ended_are_bounded():
    """Beyond what is remembered all end."""
    board = Board()
    kept = board.begin()
    for _ in range(MAX_ENDED):
        board.sessions.end(board.read(board.begin()))
    assert board.read(kept)
    last = board.begin()
    board.sessions.end(board.read(last))
    assert board.read(kept) is None and board.read(last) is None
    assert len(board.store.files["sessions.json"]) < 200
    assert board.read(board.begin())


def ended_are_forgotten_in_time():
    """When they would be over anyway."""
    board = Board()
    for _ in range(MAX_ENDED):
        board.sessions.end(board.read(board.begin()))
    board.pass_s(MAX_AGE_S)
    kept = board.begin()
    board.sessions.end(board.read(board.begin()))
    assert board.read(kept)


def ended_stay_so_when_the_clock_goes_far_and_back():
    """They are forgotten there."""
    for far_s in (2 * MAX_AGE_S, 10 * 365 * 86400):
        board = Board()
        ended = board.begin()
        board.sessions.end(board.read(ended))
        board.pass_s(far_s)
        later = board.begin()
        board.sessions.end(board.read(later))
        for _ in range(2):
            assert board.read(ended) is None and board.read(later) is None
            board.pass_s(-far_s)
            board.start()
            # Who logs in now is in.
            new = board.begin()
            assert board.read(new)
            assert board.read(ended) is None and board.read(later) is None
            board.sessions.end(board.read(new))
            assert board.read(new) is None
            board.pass_s(far_s)
            board.sessions.end(board.read(board.begin()))
        assert len(board.store.files["sessions.json"]) < 1000


def ended_stay_so_when_the_clock_was_not_set_meanwhile():
    """A restart without a network, a log-out, and the time is known again."""
    board = Board()
    ended = board.begin()
    board.sessions.end(board.read(ended))
    board.unix = None
    board.start()
    board.sessions.end(board.read(board.begin()))
    board.unix = UNIX + 60
    board.start()
    assert board.read(ended) is None
    board.pass_s(60)
    assert board.read(board.begin())


def all_end():
    """With one key less."""
    board = Board()
    field = board.begin()
    board.sessions.end_all()
    assert board.read(field) is None
    assert board.read(board.begin())


def lives_in_ram_where_nothing_can_be_kept():
    """A full flash keeps nobody out."""
    board = Board()
    board.store.is_full = True
    field = board.begin()
    assert board.read(field)
    try:
        board.sessions.end(board.read(field))
        raise AssertionError("no OSError")
    except OSError:
        assert board.read(field) is None


def key_that_is_broken_is_replaced():
    """Nobody is let in by a key that anybody might know."""
    for document in (
        {},
        {"key": "", "ended": []},
        {"key": "zz" * 32, "ended": []},
        {"key": "00" * 31, "ended": []},
        {"key": "00" * 32, "ended": [1]},
        {"key": "00" * 32, "ended": [["a", "u", "x"]]},
        [],
    ):
        board = Board()
        board.store.files["sessions.json"] = json.dumps(document)
        assert board.read(board.begin())
        kept = json.loads(board.store.files["sessions.json"])
        assert len(kept["key"]) == 64 and kept["key"] not in ("00" * 32, "zz" * 32)


def cookie_is_guarded():
    """By all that browsers know; more over TLS."""
    cookie = Board().sessions.begin("admin", "admin", HERE)
    assert cookie[:7] == "limpet=" and len(cookie) < 256
    assert cookie[cookie.find(";") :] == "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"
    board = Board(secure=True)
    cookie = board.sessions.begin("admin", "admin", HERE)
    assert cookie[:14] == "__Host-limpet="
    assert cookie[cookie.find(";") :] == "; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict"
    assert board.read(board.begin()) and board.read(board.begin()[7:]) is None
    assert board.sessions.clear() == "__Host-limpet=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict"


def cookie_may_have_a_name_of_its_own():
    """Two boards at one host, by its ports or a proxy's paths; the same after a restart."""
    stores = [Store(), Store()]
    names = []
    for store in stores + stores:
        for secure in (False, True):
            sessions = Sessions(store, lambda: UNIX, lambda: 1, secure, own_name=True)
            cookie = sessions.begin("admin", "admin", HERE)
            name = cookie[: cookie.find("=")]
            start = "__Host-limpet-" if secure else "limpet-"
            assert name[: len(start)] == start and len(name) == len(start) + 8
            assert sessions.clear()[: len(name) + 2] == name + "=;"
            # Whoever reads first has to know it.
            sessions = Sessions(store, lambda: UNIX, lambda: 1, secure, own_name=True)
            assert sessions.read(cookie[: cookie.find(";")].encode(), HERE) and sessions.cookie == name
            names.append(name)
    assert names[:4] == names[4:] and len(set(names)) == 4
    before = sessions.cookie
    sessions.end_all()
    cookie = sessions.begin("admin", "admin", HERE)
    assert sessions.read(cookie[: cookie.find(";")].encode(), HERE) and sessions.cookie != before


CASES = [
    (scenario.__name__, scenario)
    for scenario in (
        holds,
        is_new_each_time,
        ends_in_time,
        survives_a_restart,
        without_a_clock_ends_with_the_start,
        goes_on_when_the_clock_is_set,
        of_the_future_is_refused,
        is_of_one_place,
        is_of_one_board,
        cannot_be_altered,
        of_any_kind,
        stands_beside_planted_ones,
        ends_for_good,
        ended_are_bounded,
        ended_are_forgotten_in_time,
        ended_stay_so_when_the_clock_goes_far_and_back,
        ended_stay_so_when_the_clock_was_not_set_meanwhile,
        all_end,
        lives_in_ram_where_nothing_can_be_kept,
        key_that_is_broken_is_replaced,
        cookie_is_guarded,
        cookie_may_have_a_name_of_its_own,
    )
]


def check(case):
    """Raise where the case does not hold."""
    case[1]()
