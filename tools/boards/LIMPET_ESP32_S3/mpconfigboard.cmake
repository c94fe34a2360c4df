include(boards/mpconfigboard_esp32s3_common.cmake)

# As MicroPython's own image.
list(APPEND SDKCONFIG_DEFAULTS boards/sdkconfig.flash_qio_80m)

include(${MICROPY_BOARD_DIR}/../limpet.cmake)
