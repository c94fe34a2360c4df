"""An application that takes files: below /put/NAME raw, at /form as multipart; at /fields a form that is held."""

import os

from firmware import App
from firmware.features import uploads
from firmware.features.multipart import Parts
from host_tests.apps import start

app = App()
FOLDER = start.option("data")
MAX_BYTES = 6000000


@app.put("/put/<name>", stream=True)
async def put(request, name):
    return {"size": await uploads.save(request.stream(), FOLDER + "/" + uploads.safe_filename(name), MAX_BYTES)}


@app.put("/small/<name>", stream=True)
async def put_small(request, name):
    return {"size": await uploads.save(request.stream(), FOLDER + "/" + name, 1000)}


@app.post("/form", stream=True)
async def form(request):
    found = []
    async for part in Parts(request):
        if part.name == "skipped":
            continue
        if part.filename is None:
            found.append([part.name, await part.text()])
        else:
            size = await part.save(FOLDER + "/" + part.safe_filename, MAX_BYTES)
            found.append([part.name, part.safe_filename, part.content_type, size])
    return found


@app.post("/fields")
def fields(request):
    return [list(pair) for pair in request.form.items()]


@app.get("/names")
def names(request):
    return sorted(os.listdir(FOLDER))


@app.get("/busy")
def busy(request):
    return {"busy": len([slot for slot in app.server.slots if slot.sock])}


@app.get("/stop")
def stop(request):
    app.task.cancel()


if __name__ == "__main__":
    uploads.clean(FOLDER)
    start.run(app)
