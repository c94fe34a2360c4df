#define MICROPY_HW_MCU_NAME                 "ESP32-C3"

#include "../limpet.h"
