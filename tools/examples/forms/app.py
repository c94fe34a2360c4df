"""Forms with a session: whoever tells a name may write into the guest book. The session is in a signed cookie."""

from firmware import App, HTTPError, Request, redirect, render
from firmware.board import storage
from firmware.features import origins
from firmware.features.accounts import sessions

MAX_ENTRIES = 30

app = App()
origins.protect(app)
entries: "list[tuple[str, str]]" = []

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Guest book</title>
<h1>Guest book</h1>
<ul>{{{entries}}}</ul>
<form method="post" action="{{action}}">
<label>{{label}} <input name="value" maxlength="60" required></label>
<button>Send</button>
</form>
"""
ENTRY = "<li>{{text}} <small>{{name}}</small></li>"


def keeper():
    """Return what makes and reads session cookies."""
    if not hasattr(app.state, "sessions"):
        app.state.sessions = sessions(app, storage.folder + "/guests")
    return app.state.sessions


def name_of(request: Request):
    session = keeper().read(request.field(b"cookie"), request.client.encode())
    return bytes.fromhex(session.user).decode() if session else None


@app.get("/")
def page(request: Request):
    rows = "".join([render(ENTRY, name=name, text=text) for name, text in entries])
    name = name_of(request)
    label = "Your name" if name is None else "What %s has to say" % name
    return render(PAGE, entries=rows, action="/name" if name is None else "/entries", label=label)


@app.post("/name")
def tell_name(request: Request):
    name = request.form["value"][:16].encode().hex()  # plain: a cookie holds it
    cookie = keeper().begin(name, "read", request.client.encode())
    return None, 303, {"Location": "/", "Set-Cookie": cookie}


@app.post("/entries")
def write(request: Request):
    name = name_of(request)
    if name is None:
        raise HTTPError(403, "Tell your name first.")
    entries[:] = entries[1 - MAX_ENTRIES :] + [(name, request.form["value"][:60])]
    return redirect("/", 303)
