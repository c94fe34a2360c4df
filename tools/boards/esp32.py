# What an image for a chip has frozen in it: all that MicroPython's own images have, which costs no memory, and Limpet.

include("$(PORT_DIR)/boards/manifest.py")
include("manifest.py")
