"""A REST API: notes that scripts change with a token, and that pages of another origin may read."""

from firmware import App, HTTPError, Request
from firmware.features import auth, cors

TOKEN = "change-this-before-use"
NOTE = {"text": str}

app = App()
app.json_errors = True
cors.allow(app, ["https://dashboard.example"])
auth.token(app, TOKEN, reads=False)

notes: "dict[int, str]" = {}
app.state.last = 0


def find(id: int):
    if id not in notes:
        raise HTTPError(404, "There is no note %d." % id)
    return {"id": id, "text": notes[id]}


@app.get("/notes")
def all_notes(request: Request):
    return {"notes": [find(id) for id in sorted(notes)]}


@app.post("/notes", schema=NOTE)
def make(request: Request):
    app.state.last += 1
    notes[app.state.last] = request.json["text"]
    return find(app.state.last), 201, {"Location": "/notes/%d" % app.state.last}


@app.get("/notes/<int:id>")
def read(request: Request, id: int):
    return find(id)


@app.put("/notes/<int:id>", schema=NOTE)
def change(request: Request, id: int):
    find(id)
    notes[id] = request.json["text"]
    return find(id)


@app.delete("/notes/<int:id>")
def delete(request: Request, id: int):
    find(id)
    del notes[id]
