"""Tells by HTTP what the heap holds, garbage and all: from then on nothing is collected."""

import gc


def attach(app):
    """Add GET /garbage, whose answer is the bytes in use, of nine digits: so each costs the same."""
    gc.collect()
    gc.disable()
    app.get("/garbage")(tell)


def tell(request):
    return b"%09d" % gc.mem_alloc()
