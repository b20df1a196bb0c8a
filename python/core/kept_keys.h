/* A cache of keys and values as Python keeps it: its arrays, and beside them lengths, a page table, rotary positions
 * and the scales of int8 rows. */
#ifndef PYTHON_KEPT_KEYS_H
#define PYTHON_KEPT_KEYS_H

#include "array.h"
#include "attn/attn.h"

typedef struct cache {
    attn_cache cache;
    attn_rotary rotary;
    bool rotated;
    array table, cosines, sines, k_scales, v_scales;
    int32_t *entries; /* of a table whose rows do not lie one after another */
    int64_t *lengths;
} cache;

/* description: (lengths, page table or None, None or (cosines, sines, interleaved), None or (key scales, value
 * scales)). key and value are the cache's arrays, (B, HK, S, D), or with a page table (pages, HK, page size, D), and
 * are left seen as (B, HK, S, D); `name` is the argument of B sequences that comes with them. False with an exception.
 * A zeroed cache, and one that failed to open, may be closed.
 */
bool cache_open(cache *c, PyObject *description, array *key, array *value, const char *name, int64_t B);
void cache_close(cache *c);

/* Sees (cosines, sines, interleaved). A part of cache_open; with a zeroed cache all there is. False with an exception.
 */
bool cache_open_rotary(cache *c, PyObject *description);

/* attn_decode, with its workspace, on queries that are turned to their positions first where the cache has any. */
attn_status cache_decode(const cache *c, const attn_desc *desc);

#endif
