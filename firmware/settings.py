"""Settings of a project: on the settings page, in the backup, the API and openapi.json; checked, and kept by the board.

    from firmware import settings

    settings.add("target_c", {"type": "number", "default": 21.5, "minimum": 5, "maximum": 35, "title": "Target, °C"})
    settings.get("target_c")              # what it is now
    settings.change(target_c=20)          # 422 for what it may not be

What a setting may be is told in words of JSON Schema: `type` ("number", "integer", "boolean", "string") or `enum`;
`default`, or it may be null; `minimum`, `maximum`, `minLength`, `maxLength`; `title` and `description` for the page.
With `"writeOnly": True` it is a secret, which nobody is shown. They are the member `project` of the board's settings.
"""

from firmware.board import settings

_TYPES = {"number": (int, float), "integer": (int,), "boolean": (bool,), "string": (str,)}
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789_"
_MAX_NAME = 32
# A text without a bound of its own: the document has to fit a board's memory.
_MAX_TEXT = 256

schemas = {}  # what was added, by name


def add(name, schema):
    """Add a setting, while app.py is loaded. Raises ValueError for a name or a schema that is none."""
    if not is_name(name) or name in schemas:
        raise ValueError("a setting has a name of its own, of a-z, 0-9 and _: not %s" % name)
    if "enum" not in schema and schema.get("type") not in _TYPES:
        raise ValueError("%s: its type is number, integer, boolean or string, or it has an enum" % name)
    default = schema.get("default")
    if default is not None and schema.get("writeOnly"):
        raise ValueError("%s: everybody sees a default, so a secret has none" % name)
    wrong = None if default is None else check(default, schema)
    if wrong:
        raise ValueError("%s: the default is not allowed: %s" % (name, wrong))
    schemas[name] = schema
    project = settings.current.get("project")
    project = dict(project) if type(project) is dict else {}
    value = project.get(name, default)
    wrong = None if value is None and default is None else check(value, schema)
    if wrong:
        print("limpet: the setting %s is not kept: %s" % (name, wrong))
        value = default
    project[name] = value
    document = dict(settings.current)
    document["project"] = project
    settings.current = document


def get(name):
    """Return the value of a setting. Raises KeyError, which names those that there are."""
    if name not in schemas:
        raise KeyError("no such setting: %s; there are: %s" % (name, ", ".join(sorted(schemas)) or "none"))
    return settings.current["project"][name]


def change(**values):
    """Change settings, and save them. Raises 422 with `fields` for what they may not be; OSError."""
    project = {name: get(name) for name in schemas}
    project.update(values)
    settings.change(project=project)


def is_name(name):
    """Tell whether a setting, or a sensor, may have this name."""
    if type(name) is not str or not 0 < len(name) <= _MAX_NAME or name[0] < "a":
        return False
    for letter in name:
        if letter not in _NAME:
            return False
    return True


def rows(check_secret):
    """Return the rows of the settings' table (see `http/validator.py`). `check_secret`: `check`, for what is one."""
    return {
        name: (check_secret if schemas[name].get("writeOnly") else check, schemas[name].get("default"), schemas[name])
        for name in schemas
    }


def check(value, schema):
    """Return what is wrong with a value, a sentence, or None."""
    if "enum" in schema:
        if value not in schema["enum"] or type(value) is bool and True not in schema["enum"]:
            return "This is one of: %s." % ", ".join([str(choice) for choice in schema["enum"]])
        return None
    kind = schema["type"]
    if type(value) not in _TYPES[kind]:
        return {"boolean": "Must be true or false.", "string": "Must be text."}.get(kind) or (
            "Must be a %snumber." % ("whole " if kind == "integer" else "")
        )
    if kind == "string":
        return _check_bounds(len(value), schema.get("minLength", 0), schema.get("maxLength", _MAX_TEXT), " characters")
    if kind != "boolean":
        return _check_bounds(value, schema.get("minimum"), schema.get("maximum"), "")
    return None


def _check_bounds(value, least, most, unit):
    if least is not None and value < least:
        return "This is %s%s at least." % (least, unit)
    if most is not None and not value <= most:
        return "This is %s%s at most." % (most, unit)
    return None
