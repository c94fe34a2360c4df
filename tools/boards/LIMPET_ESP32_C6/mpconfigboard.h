#define MICROPY_HW_MCU_NAME                 "ESP32-C6"

#include "../limpet.h"
