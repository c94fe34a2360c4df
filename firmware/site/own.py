"""The project's additions to the site, for the pages and for openapi.json. Loaded on demand."""

import sys
from json import dumps

from firmware import App, Response
from firmware.site import guards

app = App()
app.can_go = True  # it has no state
app.json_errors = True

_FILE = __file__[: __file__.rfind("own.")] + "www/openapi.json"

# The beginnings of the lines of openapi.json at which the additions are inserted.
_PATHS = '"paths": {'
_READING = '"Reading": {'
_SETTINGS = '"Settings": {'
_PROPERTIES = '"properties": {'

_OPERATION = '"%s": {"tags": ["Project"], "summary": %s, %s"responses": {"default": {"description": "As it answers"}}}'
_PROJECT = (
    '"/api/project": {"get": {"tags": ["Project"], "summary": "Whether it runs, its settings and sensors", '
    '"responses": {"200": {"$ref": "#/components/responses/Object"}}}},\n'
)
_BODY = '"requestBody": {"content": {"application/json": {"example": {}, "schema": {}}}}, '


def _module(name):
    return sys.modules.get("firmware." + name)


@app.get("/api/project")
def project(request):
    """Return whether the project runs, and its settings and sensors, without their values."""
    report = dict(guards.kept["project"])
    settings, sensors = _module("settings"), _module("sensors")
    report["settings"] = settings.schemas if settings else {}
    report["sensors"] = sensors.declared() if sensors else []
    return report


@app.get("/openapi.json")
def openapi(request):
    """Return the description of all endpoints, the project's included."""
    return Response(_lines(), 200, {"Cache-Control": "no-cache"}, "application/json")


def _lines():
    paths = _paths()
    with open(_FILE) as file:
        for line in file:
            if line.startswith(_PATHS):
                yield line + _PROJECT
                for path in paths:
                    yield "%s: %s,\n" % (dumps(path), _operations(path, *paths[path]))
                continue
            if line.startswith('"/'):
                # If the project has this path itself, the site's is below /board.
                end = line.find('"', 1)
                if line[1:end] in paths:
                    line = '"/board' + line[1:]
            elif line.startswith(_READING):
                line = _with(line, _PROPERTIES, _readings())
            elif line.startswith(_SETTINGS):
                line = _with(line, _PROPERTIES, _settings())
            yield line


def _with(line, behind, more):
    at = line.find(behind) + len(behind)
    return line[:at] + more + (", " if more and line[at] != "}" else "") + line[at:]


def _readings():
    sensors = _module("sensors")
    if not sensors:
        return ""
    told = {
        sensor["name"]: {"type": ["number", "null"], "title": sensor["title"], "x-unit": sensor["unit"]}
        for sensor in sensors.declared()
    }
    return '"sensors": ' + dumps({"type": "object", "properties": told})


def _settings():
    settings = _module("settings")
    if not settings:
        return ""
    told = {name: _nullable(settings.schemas[name]) for name in settings.schemas}
    return '"project": ' + dumps({"type": "object", "additionalProperties": False, "properties": told})


def _nullable(schema):
    """Return the schema of a setting as it is sent and shown: null if it has no default, a secret is true or false."""
    if "default" in schema and not schema.get("writeOnly"):
        return schema
    return {"anyOf": [schema, {"type": ["null", "boolean"] if schema.get("writeOnly") else "null"}]}


def _paths():
    """Return the project's own routes, {path: (route, parameters)}, with paths as in OpenAPI."""
    found = {}
    own = guards.kept.get("app")
    if own:
        for path in own.literals:
            found[str(path, "utf-8")] = own.literals[path][1], []
        for pattern in own._patterns.all() if own._patterns else ():
            path = "".join(["/{%s}" % name if kind else "/" + name for kind, name in pattern.parts])
            found[path] = pattern.route, [_parameter(kind, name) for kind, name in pattern.parts if kind]
    return found


def _parameter(kind, name):
    schema = {"type": "integer" if kind == "int" else "string"}
    return {"name": name, "in": "path", "required": True, "example": 1 if kind == "int" else "x", "schema": schema}


def _operations(path, route, parameters):
    """Return the operations of a path as text."""
    told = ['"parameters": ' + dumps(parameters)] if parameters else []
    for method in route:
        # A handler that reads its body itself is wrapped: take the function within.
        name = getattr(getattr(route[method], "handler", route[method]), "__name__", path)
        body = _BODY if method in ("POST", "PUT", "PATCH") else ""
        told.append(_OPERATION % (method.lower(), dumps(name.strip("_").replace("_", " ")), body))
    return "{%s}" % ", ".join(told)
