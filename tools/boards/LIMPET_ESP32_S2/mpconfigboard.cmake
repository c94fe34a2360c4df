include(boards/mpconfigboard_esp32s2_common.cmake)
include(${MICROPY_BOARD_DIR}/../limpet.cmake)
