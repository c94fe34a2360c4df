include(boards/mpconfigboard_esp32c6_common.cmake)
include(${MICROPY_BOARD_DIR}/../limpet.cmake)
