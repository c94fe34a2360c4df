"""microdot with one JSON endpoint and a folder of files, as its documentation has it: PORT FOLDER PATH MODE."""

import asyncio
import sys

from mark import mark
from microdot import Microdot, send_file

mark("imports")

app = Microdot()


@app.get("/api/status")
def status(request):
    return {"ok": True, "n": 1}


@app.get("/<path:path>")
def files(request, path):
    if ".." in path:
        return "Not found", 404
    return send_file(sys.argv[2] + "/" + path)


mark("app")


async def main():
    serving = asyncio.create_task(app.start_server("127.0.0.1", int(sys.argv[1])))
    await asyncio.sleep(0)  # it listens before it waits for the first time
    mark("listening")
    await serving


asyncio.run(main())
