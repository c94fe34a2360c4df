"""A gallery: pictures are uploaded by a form, shown, downloaded and deleted. None of them is ever in RAM as a whole."""

import os

from firmware import App, HTTPError, Request, redirect, send_file
from firmware.board import storage
from firmware.features import origins
from firmware.features.multipart import Parts

FOLDER = storage.folder + "/pictures"
KINDS = (".jpg", ".jpeg", ".png", ".gif", ".webp")
MAX_BYTES = 200000
MAX_PICTURES = 20

app = App()
origins.protect(app)  # a page of another site uploads nothing here
try:
    os.mkdir(FOLDER)
except OSError:
    pass  # it is there
app.static("/pictures", FOLDER)


def names():
    return sorted([name for name in os.listdir(FOLDER) if name.endswith(KINDS)])


def path_of(name: str):
    if name not in names():
        raise HTTPError(404, "There is no such picture.")
    return FOLDER + "/" + name


@app.get("/api/pictures")
def pictures(request: Request):
    return {"pictures": names()}


@app.post("/api/pictures", stream=True)
async def upload(request: Request):
    """Take the files of a form, each as it comes; then show the page again."""
    async for part in Parts(request):
        if part.filename is None:
            continue
        name = part.safe_filename.lower()
        if not name.endswith(KINDS) or len(names()) >= MAX_PICTURES:
            raise HTTPError(422, "Up to %d pictures: %s." % (MAX_PICTURES, ", ".join(KINDS)))
        await part.save(FOLDER + "/" + name, MAX_BYTES)
    return redirect("/", 303)


@app.get("/api/pictures/<name>")
def download(request: Request, name: str):
    return send_file(path_of(name), download_as=name)


@app.delete("/api/pictures/<name>")
def delete(request: Request, name: str):
    os.remove(path_of(name))
