// The heap of a plain ESP32's system, for MicroPython's unix port: Python's own heap grows into it as it does there, and
// what Wi-Fi, threads and clients take is kept account of. Two regions: a large one, which is filled from its beginning,
// and the rest, which is in pieces. A module, `_idf`, tells and takes (host_tests/heaps/__init__.py builds it).

#include <errno.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "py/gc.h"
#include "py/runtime.h"

#define MOST_BLOCKS 64
#define MOST_CLIENTS 16
// Of a client that says nothing: control block, mailbox, socket.
#define CLIENT_BYTES 1200
// lwIP's buffers for one direction. What is sent is there twice: in TCP's, and in Wi-Fi's until it is in the air.
#define BUFFER_BYTES 5744
// The largest block of the second region, as measured.
#define PIECE_BYTES 20480
// The place of what lies there.
#define SMALL SIZE_MAX

typedef struct {
    size_t at, size;
    void *area;
} block_t;

// In the order of their places.
static block_t blocks[MOST_BLOCKS];
static size_t block_count;
static block_t small_blocks[MOST_BLOCKS];
static size_t small_count;
static size_t large_total, small_total, small_used, lowest;
// What of Python's first area is no chip's: the fakes.
static size_t overhead;
static int clients[MOST_CLIENTS];
static size_t client_count;

// What the clients hold.
static size_t in_flight(void) {
    size_t sum = 0;
    for (size_t i = 0; i < client_count;) {
        int out = 0, in = 0;
        if (ioctl(clients[i], SIOCOUTQ, &out) < 0 || ioctl(clients[i], SIOCINQ, &in) < 0) {
            clients[i] = clients[--client_count]; // closed
            continue;
        }
        sum += CLIENT_BYTES + 2 * MIN(out, BUFFER_BYTES) + MIN(in, BUFFER_BYTES);
        i++;
    }
    return sum;
}

static size_t gap_before(size_t i) {
    size_t start = i ? blocks[i - 1].at + blocks[i - 1].size : 0;
    return (i < block_count ? blocks[i].at : large_total) - start;
}

static size_t large_free(size_t *largest) {
    size_t sum = 0;
    *largest = 0;
    for (size_t i = 0; i <= block_count; i++) {
        sum += gap_before(i);
        *largest = MAX(*largest, gap_before(i));
    }
    // A model: what clients hold lies in the largest gap, and goes beyond it where that is full.
    size_t held = in_flight();
    *largest -= MIN(*largest, held);
    sum -= MIN(sum, held);
    lowest = MIN(lowest, sum + small_total - small_used);
    return sum;
}

static size_t small_largest(void) {
    return MIN(small_total - small_used, PIECE_BYTES);
}

static bool take(size_t size, void *area, size_t *at) {
    size_t largest;
    large_free(&largest);
    if (block_count == MOST_BLOCKS) {
        return false;
    }
    if (size > largest) {
        if (size > small_largest()) {
            return false;
        }
        small_used += size;
        small_blocks[small_count++] = (block_t) {SMALL, size, area};
        *at = SMALL;
        large_free(&largest);
        return true;
    }
    size_t i = 0;
    while (gap_before(i) < size) {
        i++;
    }
    for (size_t j = block_count++; j > i; j--) {
        blocks[j] = blocks[j - 1];
    }
    *at = i ? blocks[i - 1].at + blocks[i - 1].size : 0;
    blocks[i] = (block_t) {*at, size, area};
    large_free(&largest);
    return true;
}

static bool give(size_t at, void *area) {
    for (size_t i = 0; i < block_count; i++) {
        if (area ? blocks[i].area == area : blocks[i].at == at) {
            for (block_count--; i < block_count; i++) {
                blocks[i] = blocks[i + 1];
            }
            return true;
        }
    }
    for (size_t i = 0; i < small_count; i++) {
        if (area && small_blocks[i].area == area) {
            small_used -= small_blocks[i].size;
            small_blocks[i] = small_blocks[--small_count];
            return true;
        }
    }
    return false;
}

// -- what py/gc.c asks for

size_t gc_get_max_new_split(void) {
    size_t largest;
    large_free(&largest);
    return MAX(largest, small_largest()) & ~(size_t)15;
}

void *idf_area(size_t *size, size_t needed, size_t total) {
    // As gc_try_add_heap has it, for a first area without the fakes.
    *size = MIN(gc_get_max_new_split(), MAX(total - overhead, needed));
    size_t at;
    void *area = malloc(*size);
    if (!take(*size, area, &at)) {
        free(area);
        return NULL;
    }
    return area;
}

void idf_free_area(void *area) {
    give(0, area);
    free(area);
}

// -- the module

static mp_obj_t idf_begin(mp_obj_t small, mp_obj_t large, mp_obj_t fakes) {
    small_total = mp_obj_get_int(small);
    large_total = mp_obj_get_int(large);
    overhead = mp_obj_get_int(fakes);
    lowest = small_total + large_total;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(idf_begin_obj, idf_begin);

// Take so many bytes of the large and of the small region; return the place of the first.
static mp_obj_t idf_take(mp_obj_t large, mp_obj_t small) {
    size_t at, more = mp_obj_get_int(small);
    if (more > small_total - small_used) {
        mp_raise_OSError(ENOMEM);
    }
    small_used += more;
    if (!take(mp_obj_get_int(large), NULL, &at)) {
        small_used -= more;
        mp_raise_OSError(ENOMEM);
    }
    return mp_obj_new_int_from_uint(at);
}
static MP_DEFINE_CONST_FUN_OBJ_2(idf_take_obj, idf_take);

static mp_obj_t idf_give(mp_obj_t at) {
    return mp_obj_new_bool(give(mp_obj_get_int_truncated(at), NULL));
}
static MP_DEFINE_CONST_FUN_OBJ_1(idf_give_obj, idf_give);

// A client is there: its socket's number.
static mp_obj_t idf_client(mp_obj_t number) {
    int fd = mp_obj_get_int(number), bytes = BUFFER_BYTES / 2; // the kernel doubles it
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    for (size_t i = 0; i < client_count; i++) {
        if (clients[i] == fd) {
            return mp_const_none;
        }
    }
    if (client_count < MOST_CLIENTS) {
        clients[client_count++] = fd;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(idf_client_obj, idf_client);

static mp_obj_t region(size_t total, size_t free, size_t largest, size_t least) {
    mp_obj_t values[] = {
        MP_OBJ_NEW_SMALL_INT(total), MP_OBJ_NEW_SMALL_INT(free), MP_OBJ_NEW_SMALL_INT(largest), MP_OBJ_NEW_SMALL_INT(least),
    };
    return mp_obj_new_tuple(4, values);
}

// What esp32.idf_heap_info returns: (total, free, largest block, lowest free ever) of each region.
static mp_obj_t idf_info(void) {
    size_t largest, small = small_total - small_used;
    size_t free = large_free(&largest);
    mp_obj_t regions[] = {
        region(small_total, small, small_largest(), 0),
        region(large_total, free, largest, lowest),
    };
    return mp_obj_new_list(2, regions);
}
static MP_DEFINE_CONST_FUN_OBJ_0(idf_info_obj, idf_info);

static const mp_rom_map_elem_t idf_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__idf)},
    {MP_ROM_QSTR(MP_QSTR_begin), MP_ROM_PTR(&idf_begin_obj)},
    {MP_ROM_QSTR(MP_QSTR_take), MP_ROM_PTR(&idf_take_obj)},
    {MP_ROM_QSTR(MP_QSTR_give), MP_ROM_PTR(&idf_give_obj)},
    {MP_ROM_QSTR(MP_QSTR_client), MP_ROM_PTR(&idf_client_obj)},
    {MP_ROM_QSTR(MP_QSTR_info), MP_ROM_PTR(&idf_info_obj)},
};
static MP_DEFINE_CONST_DICT(idf_globals, idf_globals_table);

const mp_obj_module_t idf_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&idf_globals,
};
MP_REGISTER_MODULE(MP_QSTR__idf, idf_module);
