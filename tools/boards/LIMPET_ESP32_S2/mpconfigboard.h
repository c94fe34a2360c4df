#define MICROPY_HW_MCU_NAME                 "ESP32-S2"

// Without PSRAM it has some 100 KB less than the others: the port's own first area, and a smaller share for the system,
// which leave 72 KB for Python. The site fits, not all of its parts at once. Not measured.
#define MICROPY_GC_INITIAL_HEAP_SIZE        (36 * 1024)
#define LIMPET_SYSTEM_BYTES                 (28 * 1024)

#include "../limpet.h"
