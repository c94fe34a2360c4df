"""The least application, run as users do; it can close its console."""

import sys

from firmware import App
from host_tests.apps import start

app = App()


@app.get("/")
def index(request):
    return "hello"


@app.get("/raise")
def fail(request):
    raise ValueError("→")


@app.get("/quiet")
def close_console(request):
    sys.stdout.close()
    return "quiet"


if __name__ == "__main__":
    start.set_limits(app)
    app.run(start.option("host"), int(start.option("port")))
