# The same in MicroPython's unix port: how the tests see it without a chip (tools/frozen.py).

include("$(MPY_DIR)/extmod/asyncio")
include("manifest.py")
