"""Starts an application of the tests: `--host H --port N --data D`, then limits as `idle_ms=1000`, and other words."""

import asyncio
import sys


def words():
    """Return what stands on the command line behind the three options."""
    return sys.argv[7:]


def option(name):
    """Return the value of the option `--name`."""
    return sys.argv[sys.argv.index("--" + name) + 1]


def number(name):
    """Return the number N of a word `name=N`, or None."""
    for word in words():
        if word.startswith(name + "="):
            return int(word[len(name) + 1 :])
    return None


def set_limits(app):
    """Set the limits of an app as the command line says."""
    for name in dir(app.limits):
        if not name.startswith("_") and number(name) is not None:
            setattr(app.limits, name, number(name))


async def serve(app):
    """Serve until somebody cancels `app.task`."""
    set_limits(app)
    app.task = asyncio.create_task(app.serve(option("host"), int(option("port"))))
    try:
        await app.task
    except asyncio.CancelledError:
        print("stopped")


def run(app):
    """Serve an application; return once it has stopped."""
    asyncio.run(serve(app))
