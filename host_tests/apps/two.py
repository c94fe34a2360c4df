"""Two servers in one loop, the second on `other=PORT`; each may be stopped, the second starts again by itself."""

import asyncio

from firmware import App
from host_tests.apps import start


def make(name):
    app = App()

    @app.get("/name")
    def tell(request):
        return {"name": name, "requests": app.server.requests}

    @app.get("/later")
    async def tell_later(request):
        await asyncio.sleep(0)
        return {"name": name}

    @app.get("/stop")
    def stop(request):
        app.task.cancel()
        return {}

    return app


async def serve(app, port):
    app.task = asyncio.create_task(app.serve(start.option("host"), port))
    try:
        await app.task
    except asyncio.CancelledError:
        print("stopped")


async def serve_twice(app, port):
    await serve(app, port)
    await serve(app, port)


async def main():
    second = make("second")
    twice = asyncio.create_task(serve_twice(second, start.number("other")))
    await serve(make("first"), int(start.option("port")))
    second.task.cancel()
    await twice


asyncio.run(main())
