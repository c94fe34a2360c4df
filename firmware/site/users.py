"""The users: a resource with all of HTTP's methods, whose records survive a restart and a power cut.

A record is {"id", "name", "email"}. An id is never given twice. Errors are JSON, whatever the client accepts; one in a
record's members has their names and what is wrong with each under "fields".
"""

from firmware import App, HTTPError
from firmware.board import storage
from firmware.features.idempotency import idempotent
from firmware.site.problems import explain, problem

app = App()
app.can_go = True  # what it knows is in the storage

_FILE = "users.json"

# A list of them has to fit a board's memory as text: some 100 bytes each.
MAX_USERS = 100
MAX_NAME = 64
# RFC 5321 4.5.3.1.3 allows a path of 256, with its angle brackets.
MIN_EMAIL = 3
MAX_EMAIL = 254

_document = None


@app.get("/users")
def list_users(request):
    """Return all users, the oldest first."""
    return {"users": _load()["users"]}


@app.post("/users")
@idempotent
def create(request):
    """Make a user from {"name", "email"}. Raises 409 where no more fit."""
    old = _load()
    fields = request.json
    problems = _problems(request, fields, None, ("name", "email"))
    if problems:
        return problems
    if len(old["users"]) >= MAX_USERS:
        raise HTTPError(409, "There are %d users already, and no more fit." % MAX_USERS)
    record = _record(old["last_id"] + 1, fields)
    _adopt({"last_id": record["id"], "users": old["users"] + [record]})
    return {"message": "New user created", "user": record}, 201, {"Location": "/users/%d" % record["id"]}


@app.get("/users/<int:id>")
def read(request, id):
    """Return a user."""
    return _load()["users"][_find(id)]


@app.put("/users/<int:id>")
def replace(request, id):
    """Replace a user by {"name", "email"}; one that is not there is not made."""
    return _change(request, id, ("name", "email"))


@app.patch("/users/<int:id>")
def change(request, id):
    """Change what is given of a user."""
    return _change(request, id, ())


@app.delete("/users/<int:id>")
def delete(request, id):
    """Delete a user."""
    at = _find(id)
    old = _load()
    _adopt({"last_id": old["last_id"], "users": old["users"][:at] + old["users"][at + 1 :]})


explain(app)


# -- records


def _load():
    global _document
    if _document is None:
        _document = storage.load(_FILE, {"last_id": 0, "users": []}, _is_sound)
    return _document


def _adopt(document):
    """Save a changed copy; only then it is what the next request sees."""
    global _document
    storage.save(_FILE, document)
    _document = document


def _find(id):
    """Return the index of the user with this id. Raises 404."""
    for at, record in enumerate(_load()["users"]):
        if record["id"] == id:
            return at
    raise HTTPError(404, "There is no user %d." % id)


def _change(request, id, required):
    at = _find(id)
    fields = request.json
    problems = _problems(request, fields, id, required)
    if problems:
        return problems
    old = _load()
    users = list(old["users"])
    record = dict(users[at])
    record.update(fields)
    if record != users[at]:
        users[at] = record
        _adopt({"last_id": old["last_id"], "users": users})
    return record


def _record(id, fields):
    return {"id": id, "name": fields["name"], "email": fields["email"]}


# -- checks


def _is_sound(document):
    """Tell whether a document is one of ours."""
    last = document.get("last_id")
    users = document.get("users")
    if type(last) is not int or type(users) is not list:
        return False
    ids = set()
    for user in users:
        id = user.get("id") if type(user) is dict else None
        if type(id) is not int or not 0 < id <= last or id in ids or _wrong(user, id, ("name", "email")):
            return False
        ids.add(id)
    return True


def _problems(request, fields, id, required):
    """Return the answer 422 to what a client sent for the user `id` (None: a new one), or None where all is well."""
    if type(fields) is not dict:
        return problem(422, "Send a JSON object.", None, request), 422
    wrong = _wrong(fields, id, required)
    if wrong:
        return problem(422, "Something is wrong with: %s." % ", ".join(sorted(wrong)), wrong, request), 422
    return None


def _wrong(fields, id, required):
    """Return what is wrong with each member of a record, by name."""
    wrong = {name: "This is required." for name in required if name not in fields}
    for name, value in fields.items():
        if name in _CHECKS:
            reason = _CHECKS[name](value) if type(value) is str else "This has to be text."
        elif name == "id":
            reason = None if id is not None and type(value) is int and value == id else "The server gives the id."
        else:
            reason = "A user has no such member."
        if reason:
            wrong[name] = reason
    return wrong


def _check_name(name):
    if not 1 <= len(name) <= MAX_NAME:
        return "A name has 1 to %d characters." % MAX_NAME
    if not name.strip() or any(_is_control(letter) for letter in name):
        return "A name is printable text."
    return None


def _check_email(email):
    if not MIN_EMAIL <= len(email) <= MAX_EMAIL:
        return "An address has %d to %d characters." % (MIN_EMAIL, MAX_EMAIL)
    at = email.find("@")
    if not 0 < at < len(email) - 1 or email.find("@", at + 1) >= 0:
        return "An address has one @, with something on both sides."
    if any(_is_control(letter) or letter.isspace() for letter in email):
        return "An address has no spaces."
    return None


_CHECKS = {"name": _check_name, "email": _check_email}


def _is_control(letter):
    return letter < " " or "\x7f" <= letter <= "\x9f"
