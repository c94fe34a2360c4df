"""Checks a JSON document by a table, and fills in what was left out.

    check({"on": bool}, request.json)      # raises 422 with the member's name for anything else

A row of the table says what a value has to be:

    bool, int, float, str    of this type; a float may be whole
    {"name": row}            an object with these members and no others; left out, it is one without members
    [row]                    a list
    None                     anything
    a function               what is wrong with the value (a sentence) or None is what it returns
    (row, default, ...)      a member that may be left out, but for the default REQUIRED; with None it may be null, too.
                             Behind the default come the least and the greatest number; or of a text's characters; or
                             of a list the greatest length, the member that tells its items apart, and what to say of
                             one that is there already; or a function's further parameters
"""

from firmware.http.errors import HTTPError

REQUIRED = ...

_UNKNOWN = "There is no such member."
_TYPES = (bool, int, float, str)


def check(schema, document, unknown=_UNKNOWN):
    """Return the document, whole. Raises 422 with `fields`, {"pins.0.name": "This is required."}."""
    wrong = {}
    found = read(schema, document, wrong, "", unknown)
    if wrong:
        raise refusal(schema, document, wrong)
    return found


def read(row, value, wrong, path="", unknown=_UNKNOWN):
    """Return a value, whole; what is wrong with it is added to the dict `wrong` by its path.

    `unknown`: what is said of a member that is not in the table; None: such a member is passed over.
    """
    more = ()
    if type(row) is tuple:
        if value is None and row[1] is None:
            return None
        more = row[2:]
        row = row[0]
    if type(row) is dict:
        return _object(row, value, wrong, path, unknown)
    if type(row) is list:
        return _list(row[0], value, wrong, path, unknown, *more)
    reason = None
    if row in _TYPES:
        reason = check_type(row, value, *more)
    elif row is not None:
        reason = row(value, *more)
    if reason:
        wrong[path] = reason
    return value


def _object(row, value, wrong, path, unknown):
    if type(value) is not dict:
        wrong[path] = "Must be an object."
        return None
    if path:
        path += "."
    if unknown:
        for name in value:
            if name not in row:
                wrong[path + name] = unknown
    found = {}
    for name in row:
        inner = row[name]
        default = inner[1] if type(inner) is tuple else REQUIRED
        if name in value:
            found[name] = read(inner, value[name], wrong, path + name, unknown)
        elif type(inner) is dict:
            found[name] = _object(inner, {}, wrong, path + name, unknown)
        elif default is REQUIRED:
            wrong[path + name] = "This is required."
        else:
            found[name] = list(default) if type(default) is list else default
    return found


def _list(row, value, wrong, path, unknown, most=None, key=None, twice="This is in the list already."):
    if type(value) is not list or most is not None and len(value) > most:
        wrong[path] = "Must be a list." if most is None else "Must be a list of at most %d." % most
        return None
    found = []
    names = set()
    for at, item in enumerate(value):
        here = "%s.%d" % (path, at) if path else str(at)
        found.append(read(row, item, wrong, here, unknown))
        name = item.get(key) if key and type(item) is dict else None
        if type(name) in (str, int):
            if name in names:
                wrong["%s.%s" % (here, key)] = twice
            names.add(name)
    return found


def check_type(kind, value, low=None, high=None):
    """Return what is wrong with a value that has to be of a type, in a range, or None."""
    is_right = type(value) is kind or kind is float and type(value) is int
    if kind is bool:
        return None if is_right else "Must be true or false."
    if kind is str:
        if not is_right:
            return "Must be text."
        return None if low is None or low <= len(value) <= high else "Must have %d to %d characters." % (low, high)
    if is_right and (low is None or low <= value <= high):
        return None
    reason = "Must be a whole number" if kind is int else "Must be a number"
    return reason + ("." if low is None else " from %s to %s." % (low, high))


def refusal(schema, document, wrong):
    """Return the HTTPError that says what is wrong: the first of it in a sentence, all of it in `fields`."""
    if "" in wrong:
        return HTTPError(422, "Send a JSON object." if type(schema) is dict else wrong[""])
    paths = sorted(wrong)
    first = paths[0]
    said = "Something is wrong with %s: %s" % (first, wrong[first])
    if type(document) is dict and "." not in first and (first not in schema or first not in document):
        said += " Send a JSON object of: %s." % ", ".join(sorted(schema))
    if len(paths) > 1:
        said += " (And %d more.)" % (len(paths) - 1)
    return HTTPError(422, said, None, wrong)
