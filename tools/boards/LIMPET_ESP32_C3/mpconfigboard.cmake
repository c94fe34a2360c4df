include(boards/mpconfigboard_esp32c3_common.cmake)
include(${MICROPY_BOARD_DIR}/../limpet.cmake)
