"""Imports the modules that argv names and prints for each module that came with them `module NAME BYTES` of heap.

A module's own cost, without what it imports. Interned names are shared, and are paid by the module that is the first
to have them or whose name no longer fits the last pool; how many bytes they all take is printed too.
"""

import builtins
import gc
import sys

import micropython

# Made before, so that keeping the figures costs nothing.
names = [None] * 100
costs = [0] * 100
inner = [0] * 20
count = 0
depth = 0

roots = {name.split(".")[0] for name in sys.argv[1:]}
importer = builtins.__import__


def measured(name, scope=None, local=None, wanted=None, level=0):
    """Import as the builtin does, and keep what it costs."""
    global count, depth
    if name not in sys.modules:
        package = name[: name.rfind(".")] if "." in name else None
        if package and package not in sys.modules:
            measured(package)
        depth += 1
        inner[depth] = 0
        # Who imports relatively is known by its globals, which are ours in here: what is not asked for is one module.
        ours = name.split(".")[0] in roots
        if not ours:
            builtins.__import__ = importer
        gc.collect()
        before = gc.mem_alloc()
        try:
            result = importer(name, scope, local, None, 0)
        finally:
            gc.collect()
            builtins.__import__ = measured
            cost = gc.mem_alloc() - before
            own = cost - inner[depth]
            depth -= 1
            inner[depth] += cost
        names[count] = name
        costs[count] = own
        count += 1
    result = importer(name, scope, local, None if wanted is None else wanted, level)
    for item in wanted or ():
        if not hasattr(result, item):
            measured(name + "." + item)
    return result


builtins.__import__ = measured
for name in sys.argv[1:]:
    measured(name)
builtins.__import__ = importer
for at in range(count):
    print("module", names[at], costs[at])
micropython.qstr_info()
