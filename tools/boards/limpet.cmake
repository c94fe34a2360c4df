# What the boards of this folder share, behind what MicroPython has for the chip. A chip's mpconfigboard.cmake includes it.
# MicroPython's build reads these from its ports/esp32; `make BOARD_DIR=...` says where a board is (`tools image`).

get_filename_component(LIMPET_DIR ${CMAKE_CURRENT_LIST_DIR} ABSOLUTE)

set(MICROPY_FROZEN_MANIFEST ${LIMPET_DIR}/esp32.py)

# ESP-IDF would look for it among MicroPython's own tables; only here is the place of ours known.
file(WRITE ${CMAKE_BINARY_DIR}/sdkconfig.partitions
    "CONFIG_PARTITION_TABLE_CUSTOM=y\nCONFIG_PARTITION_TABLE_CUSTOM_FILENAME=\"${LIMPET_DIR}/partitions.csv\"\n")

# The last word counts.
list(APPEND SDKCONFIG_DEFAULTS
    ${LIMPET_DIR}/sdkconfig.limpet
    ${CMAKE_BINARY_DIR}/sdkconfig.partitions
)
