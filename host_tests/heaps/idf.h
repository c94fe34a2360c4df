// Included in front of every file of the build: see idf.c.
#include <stddef.h>

void *idf_area(size_t *size, size_t needed, size_t total);
void idf_free_area(void *area);

#define MICROPY_GC_SPLIT_HEAP (1)
#define MICROPY_GC_SPLIT_HEAP_AUTO (1)
// py/gc.c, gc_try_add_heap: the macro sees its local variables.
#define MP_PLAT_ALLOC_HEAP(size) idf_area(&(size), needed, total_heap)
#define MP_PLAT_FREE_HEAP(area) idf_free_area(area)
