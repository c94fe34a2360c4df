"""Tokens, and Basic's credentials, under either interpreter: (name, function, arguments, expected)."""

import json

from firmware.features.credentials import _credentials
from firmware.features.tokens import Tokens
from firmware.http.errors import HTTPError
from host_tests.vectors.sessions import Store


def outcome(function, *args):
    """Return what a function does, or the status of its error."""
    try:
        return function(*args)
    except HTTPError as error:
        return error.status


def made(name, role):
    """Return how long a new token is, or the status of the error."""
    token = outcome(Tokens(Store()).make, name, role)
    return len(token) if type(token) is str else token


def life():
    """Return what happens to tokens from one end to the other."""
    store = Store()
    tokens = Tokens(store)
    one, other = tokens.make("one", "read"), tokens.make("other", "admin")
    told = [one == other, outcome(tokens.make, "one", "admin"), [token["name"] for token in tokens.list()]]
    tokens = Tokens(store)  # a restart
    told += [tokens.find(one.encode())["role"], tokens.find(other.encode())["name"]]
    tokens.revoke("one")
    told += [tokens.find(one.encode()), outcome(tokens.revoke, "one"), tokens.find(other.encode())["role"]]
    tokens = Tokens(store)
    told += [tokens.find(one.encode()), [token["name"] for token in tokens.list()]]
    return told


def hidden():
    """Tell whether anything of a token is stored or listed."""
    store = Store()
    tokens = Tokens(store)
    token = tokens.make("one", "read")
    return token[7:27] in store.files["tokens.json"] + json.dumps(tokens.list()) or "hash" in json.dumps(tokens.list())


def full():
    """Return what happens to one too many."""
    tokens = Tokens(Store())
    first = tokens.make("t0", "read")
    told = [outcome(tokens.make, "t%d" % number, "read") for number in range(1, 17)]
    return [type(one) is str for one in told[:15]] == [True] * 15, told[15], tokens.find(first.encode())["name"]


def found(token):
    """Return what is found for bytes that are no token, beside one that is there."""
    tokens = Tokens(Store())
    whole = tokens.make("one", "read").encode()
    return tokens.find(token.replace(b"TOKEN", whole))


def stored(digest):
    """Return who the token "limpet_x" is, by its digest in the file."""
    store = Store()
    store.files["tokens.json"] = json.dumps({"tokens": [{"name": "a", "role": "read", "hash": digest}]})
    record = Tokens(store).find(b"limpet_x")
    return record and record["name"]


def unsaved():
    """Return whether a token that could not be saved is there."""
    store = Store()
    tokens = Tokens(store)
    store.is_full = True
    try:
        tokens.make("one", "read")
    except OSError:
        return tokens.list()


def loaded(document):
    """Return the tokens of a file."""
    store = Store()
    store.files["tokens.json"] = json.dumps(document)
    return Tokens(store).list()


def credentials(raw):
    """Return Basic's credentials, or the status of the error."""
    return outcome(_credentials, raw)


FUNCTIONS = {
    "made": made,
    "life": life,
    "hidden": hidden,
    "full": full,
    "found": found,
    "stored": stored,
    "unsaved": unsaved,
    "loaded": loaded,
    "credentials": credentials,
}

HASH = "00" * 32
# Of "limpet_x".
DIGEST = "ab3e2f4d4407973f6544e8b8c2e6f1efa8c6433d33fa47040e6edb2b69268809"
SOUND = {"name": "a", "role": "read", "hash": HASH}

CASES = [
    ("made", "made", ("sensor-1_B", "read"), 47),
    ("longest_name", "made", ("x" * 32, "admin"), 47),
    ("name_too_long", "made", ("x" * 33, "admin"), 422),
    ("no_name", "made", ("", "read"), 422),
    ("name_with_slash", "made", ("a/b", "read"), 422),
    ("name_with_dot", "made", ("..", "read"), 422),
    ("name_with_space", "made", ("a b", "read"), 422),
    ("name_with_line_end", "made", ("a\n", "read"), 422),
    ("name_not_ascii", "made", ("ä", "read"), 422),
    ("name_of_digits_beyond_ascii", "made", ("٣", "read"), 422),
    ("unknown_role", "made", ("a", "root"), 422),
    ("no_role", "made", ("a", ""), 422),
    ("life", "life", (), [False, 409, ["one", "other"], "read", "other", None, 404, "admin", None, ["other"]]),
    ("hidden", "hidden", (), False),
    ("full", "full", (), (True, 409, "t0")),
    ("found_none", "found", (b"",), None),
    ("found_other", "found", (b"limpet_" + b"0" * 40,), None),
    ("found_longer", "found", (b"TOKEN0",), None),
    ("found_in_capitals", "found", (b"LIMPET_" + b"0" * 40,), None),
    ("found_bytes", "found", (b"\xff\0",), None),
    ("stored", "stored", (DIGEST,), "a"),
    ("stored_last_digit_differs", "stored", (DIGEST[:-1] + "0",), None),
    ("stored_first_digit_differs", "stored", ("0" + DIGEST[1:],), None),
    ("unsaved", "unsaved", (), []),
    ("loaded", "loaded", ({"tokens": [SOUND]},), [{"name": "a", "role": "read"}]),
    ("loaded_nothing", "loaded", ({},), []),
    ("loaded_text", "loaded", ({"tokens": ["a"]},), []),
    ("loaded_no_hash", "loaded", ({"tokens": [{"name": "a", "role": "read"}]},), []),
    ("loaded_short_hash", "loaded", ({"tokens": [{"name": "a", "role": "read", "hash": ""}]},), []),
    ("loaded_role", "loaded", ({"tokens": [{"name": "a", "role": 1, "hash": HASH}]},), []),
    ("loaded_name", "loaded", ({"tokens": [{"name": None, "role": "read", "hash": HASH}]},), []),
    ("loaded_too_many", "loaded", ({"tokens": [SOUND] * 17},), []),
    # RFC 7617 section 2 and 2.1
    ("rfc7617", "credentials", (b"QWxhZGRpbjpvcGVuIHNlc2FtZQ==",), ("Aladdin", "open sesame")),
    ("rfc7617_utf8", "credentials", (b"dGVzdDoxMjPCow==",), ("test", "123\xa3")),
    ("colon_in_password", "credentials", (b"YTpiOmM=",), ("a", "b:c")),
    ("empty_name", "credentials", (b"OmI=",), ("", "b")),
    ("empty_password", "credentials", (b"YTo=",), ("a", "")),
    ("both_empty", "credentials", (b"Og==",), ("", "")),
    ("no_colon", "credentials", (b"YWI=",), 400),
    ("nothing", "credentials", (b"",), 400),
    ("only_padding", "credentials", (b"====",), 400),
    ("no_padding", "credentials", (b"YTo",), 400),
    ("too_much_padding", "credentials", (b"YT======",), 400),
    ("padding_inside", "credentials", (b"YT=oYTo=",), 400),
    ("space_inside", "credentials", (b"YTpi OmM=",), 400),
    ("line_end_inside", "credentials", (b"YTpi\nOmM",), 400),
    ("url_alphabet", "credentials", (b"YTr-_w==",), 400),
    ("not_utf8", "credentials", (b"YTr/",), 401),
    ("overlong", "credentials", (b"YTrArw==",), 401),
    ("nul", "credentials", (b"YToA",), 400),
    ("line_end", "credentials", (b"YQ06Yg==",), 400),
    ("delete", "credentials", (b"YTp/",), 400),
]


def check(case):
    """Raise AssertionError unless the case holds."""
    _, name, args, expected = case
    got = FUNCTIONS[name](*args)
    assert got == expected, "got %r, not %r" % (got, expected)
