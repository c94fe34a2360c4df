#define MICROPY_HW_MCU_NAME                 "ESP32"

#include "../limpet.h"
