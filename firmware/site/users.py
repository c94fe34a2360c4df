"""The users: an example resource with all of HTTP's methods. Its records survive a restart and a power cut.

A record is {"id", "name", "email"}. An id is never used twice. Errors are JSON, whatever the client accepts. For an
invalid record "fields" has the name of each invalid member and the reason.
"""

from firmware import App, HTTPError, Response
from firmware.board import storage
from firmware.features.idempotency import idempotent
from firmware.http import validator
from firmware.http.response import JSON, encode_json
from firmware.http.validator import REQUIRED

app = App()
app.json_errors = True
app.can_go = True  # its state is in the storage

_FILE = "users.json"

# The whole list must fit into a board's memory as text: each user takes some 100 bytes.
MAX_USERS = 100
MAX_NAME = 64
# RFC 5321 4.5.3.1.3 allows a path of 256, with its angle brackets.
MIN_EMAIL = 3
MAX_EMAIL = 254

_document = None


@app.get("/users")
def list_users(request):
    """Return all users, the oldest first."""
    response = Response(_list(_load()["users"]), content_type=JSON)
    response.is_brief = True
    return response


def _list(users):
    """Yield the list, one user at a time: as a whole it might not fit into memory."""
    separator = b'{"users": ['
    for user in users:
        yield separator + encode_json(user)
        separator = b", "
    yield b"]}" if users else separator + b"]}"


@app.post("/users")
@idempotent
def create(request):
    """Make a user from {"name", "email"}. Raises 409 if there are too many."""
    old = _load()
    record = _check(request.json, 0)
    if len(old["users"]) >= MAX_USERS:
        raise HTTPError(409, "There are %d users already, and no more fit." % MAX_USERS)
    record["id"] = old["last_id"] + 1
    _adopt({"last_id": record["id"], "users": old["users"] + [record]})
    return {"message": "New user created", "user": record}, 201, {"Location": "/users/%d" % record["id"]}


@app.get("/users/<int:id>")
def read(request, id):
    """Return a user."""
    return _load()["users"][_find(id)]


@app.put("/users/<int:id>")
def replace(request, id):
    """Replace a user by {"name", "email"}. Raises 404: no user is made."""
    return _put(_find(id), request.json)


@app.patch("/users/<int:id>")
def change(request, id):
    """Change the given members of a user."""
    at = _find(id)
    given = request.json
    if type(given) is dict:
        merged = dict(_load()["users"][at])
        merged.update(given)
        given = merged
    return _put(at, given)


@app.delete("/users/<int:id>")
def delete(request, id):
    """Delete a user."""
    at = _find(id)
    old = _load()
    _adopt({"last_id": old["last_id"], "users": old["users"][:at] + old["users"][at + 1 :]})


# -- records


def _load():
    global _document
    if _document is None:
        _document = storage.load(_FILE, {"last_id": 0, "users": []}, _is_sound)
    return _document


def _adopt(document):
    """Save a changed copy. The next request sees it only after that."""
    global _document
    storage.save(_FILE, document)
    _document = document


def _find(id):
    """Return the index of the user with this id. Raises 404."""
    for at, record in enumerate(_load()["users"]):
        if record["id"] == id:
            return at
    raise HTTPError(404, "There is no user %d." % id)


def _put(at, document):
    """Store a document as the record at an index, and return it. Raises 422 for an invalid one."""
    old = _load()
    users = list(old["users"])
    record = _check(document, users[at]["id"])
    if record != users[at]:
        users[at] = record
        _adopt({"last_id": old["last_id"], "users": users})
    return record


# -- checks


def _check(document, id):
    """Return a client's whole document as the record of user `id` (0: a new one). Raises 422 for an invalid one."""
    return validator.check(_table(id), document, "A user has no such member.")


def _table(id):
    return {"id": (_check_id, id, id), "name": (_check_name, REQUIRED), "email": (_check_email, REQUIRED)}


def _is_sound(document):
    """Tell whether a document from the storage is valid."""
    last = document.get("last_id")
    users = document.get("users")
    if type(last) is not int or type(users) is not list:
        return False
    wrong = {}
    ids = set()
    for user in users:
        id = user.get("id") if type(user) is dict else None
        if type(id) is not int or not 0 < id <= last or id in ids:
            return False
        validator.read(_table(id), user, wrong)
        ids.add(id)
    return not wrong


def _check_id(value, id):
    return None if id and type(value) is int and value == id else "The server gives the id."


def _check_name(name):
    if type(name) is not str:
        return "Must be text."
    if not 1 <= len(name) <= MAX_NAME:
        return "A name has 1 to %d characters." % MAX_NAME
    if not name.strip() or any(_is_control(letter) for letter in name):
        return "A name is printable text."
    return None


def _check_email(email):
    if type(email) is not str:
        return "Must be text."
    if not MIN_EMAIL <= len(email) <= MAX_EMAIL:
        return "An address has %d to %d characters." % (MIN_EMAIL, MAX_EMAIL)
    at = email.find("@")
    if not 0 < at < len(email) - 1 or email.find("@", at + 1) >= 0:
        return "An address has one @, with something on both sides."
    if any(_is_control(letter) or letter.isspace() for letter in email):
        return "An address has no spaces."
    return None


def _is_control(letter):
    return letter < " " or "\x7f" <= letter <= "\x9f"
