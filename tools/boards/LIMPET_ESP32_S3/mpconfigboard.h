#define MICROPY_HW_MCU_NAME                 "ESP32-S3"

// As MicroPython's own image.
#define MICROPY_HW_I2C0_SCL                 (9)
#define MICROPY_HW_I2C0_SDA                 (8)

#include "../limpet.h"
