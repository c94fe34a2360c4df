"""Applications that are loaded when they are asked for: /part and /other. POST /spare is a heap that runs short.

POST /fail?times=N has the next N loads run out of memory.
"""

import gc
import sys

from firmware import App, HTTPError
from host_tests import apps
from host_tests.apps import start
from host_tests.apps.beside_lazy import failures, ticks

# A module of no package.
sys.path.append(apps.__path__ if isinstance(apps.__path__, str) else apps.__path__[0])

app = App()
app.lazy(("/part",), "host_tests.apps.lazy_part")
app.lazy(("/other",), "host_tests.apps.lazy_other")
app.lazy(("/top",), "lazy_top")
app.lazy(("/broken",), "host_tests.apps.lazy_broken")


@app.before
def guard(request):
    if request.field(b"x-stranger") is not None:
        raise HTTPError(403)


@app.get("/parts")
def parts(request):
    """Return which parts are loaded, and what their background tasks have counted."""
    loaded = [name[16:] for name in sys.modules if name.startswith("host_tests.apps.lazy_")]
    loaded = sorted(name for name in loaded if name != "lazy_app")
    left = [name for name in ("lazy_part", "lazy_broken", "broken_half") if hasattr(apps, name)]
    return {"loaded": loaded, "left": left, "ticks": ticks, "modules": list(sys.modules)}


@app.post("/spare")
def spare(request):
    app.server.shed()


@app.post("/fail")
def fail(request):
    failures[0] = request.args.get("times", 1, int)


@app.get("/exhaust")
def exhaust(request):
    raise MemoryError("no room")


@app.get("/heap")
def heap(request):
    gc.collect()
    return {"used": gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0}


if __name__ == "__main__":
    start.run(app)
