// What the boards of this folder share. A chip's mpconfigboard.h includes it.

#define MICROPY_HW_BOARD_NAME               "Limpet"

// Its controller would keep 56 KB of an ESP32's RAM, used or not, and 260 KB of flash.
#define MICROPY_PY_BLUETOOTH                (0)

// The driver of the `romfs` partition: what lies there is read in place, code too.
#define MICROPY_VFS_ROM                     (1)

// For boards with a USB-UART bridge, whatever USB the chip itself has.
#define MICROPY_HW_ENABLE_UART_REPL         (1)

// Python's heap is of a fixed size: a first area, and a second that boot.py makes before the radio is on; where that does
// not, py/gc.c makes one as large as the first when that is full. The whole site with every part and four live clients
// takes 102 KB: 128 leave room for holes.
#ifndef MICROPY_GC_INITIAL_HEAP_SIZE
#define MICROPY_GC_INITIAL_HEAP_SIZE        (64 * 1024)
#endif

// A third area would take whatever the system has left in one piece, and Wi-Fi and TCP would starve. So an area that
// leaves the system less than this is refused, and Python gets a MemoryError in its place: 46 KB is what Wi-Fi takes
// when it is switched on, which may come later. With PSRAM there is always more.
#ifndef LIMPET_SYSTEM_BYTES
#define LIMPET_SYSTEM_BYTES                 (48 * 1024)
#endif
#define MP_PLAT_ALLOC_HEAP(size) \
    (esp_get_free_heap_size() < (size) + LIMPET_SYSTEM_BYTES ? NULL : malloc(size))
