"""What Limpet is asked for besides its JSON endpoint and its files."""


def attach(app, path):
    """Add the route of `path`, which begins with /more/, and no other: it would be searched, too."""
    kind = path.split("/")[2]
    if kind == "async":
        app.get(path)(status_later)
    elif kind == "tuple":
        app.get(path)(created)
    elif kind == "text":
        app.get(path)(text)
    elif kind == "post":
        app.post(path)(count)
    else:
        for number in range(100):
            app.get("/more/%d/<int:id>" % number)(tell_id)


async def status_later(request):
    return {"ok": True, "n": 1}


def created(request):
    return {"ok": True, "n": 1}, 201


def text(request):
    return "<p>grüß Gott"


def count(request):
    return {"ok": True, "n": len(request.json["values"])}


def tell_id(request, id):
    return {"ok": True, "n": id}
