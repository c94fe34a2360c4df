"""Limpet with one route that keeps what it is sent as a file, of any size: PORT FOLDER."""

import asyncio
import sys

from mark import mark

from firmware import App
from firmware.features import uploads

# What is taken at most.
MAX_BYTES = 2 << 20

app = App()
app.limits.connections = 6  # a board's


@app.put("/<name>", stream=True)
async def put(request, name):
    size = await uploads.save(request.stream(), "%s/%s" % (sys.argv[2], uploads.safe_filename(name)), MAX_BYTES)
    return {"size": size}


async def main():
    await app.serve("127.0.0.1", int(sys.argv[1]), ready=lambda: mark("listening"))


asyncio.run(main())
