/* Where many rows of a cache stand, found once for each run of them that lie evenly. */
#ifndef ATTENTION_CACHE_RUNS_H
#define ATTENTION_CACHE_RUNS_H

#include "attention/cache.h"
#include "attention/visible.h"

/* Addresses of rows first .. first + count - 1 of a head, rows being K or V. Rows before the first key that any query
 * sees, or behind the last, may be gone: the first and the last one that is seen stand in for them. `seen` is not
 * empty. */
void cache_find_rows(const attn_cache *c, const attn_output *rows, int64_t b, int64_t kv_head, int64_t first,
                     int64_t count, key_range seen, const void **out);

/* Likewise their scales, put side by side. */
void cache_find_scales(const attn_cache *c, const attn_output *scales, int64_t b, int64_t kv_head, int64_t first,
                       int64_t count, key_range seen, float *out);

#endif
