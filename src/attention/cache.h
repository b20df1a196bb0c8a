/* The caller's key/value cache, read into one of this library's own size and checked. */
#ifndef ATTENTION_CACHE_H
#define ATTENTION_CACHE_H

#include "attention/elements.h"

/* Copies cache into *c and checks all that needs no data: sizes, types, pages. */
attn_status cache_read(const attn_cache *cache, attn_cache *c);

/* Checks of a cache that was read: K's and V's arrays, the lengths, that there is a page table where there are pages.
 */
attn_status cache_check_arrays(const attn_cache *c);

/* That the pages of keys first .. last - 1 of sequence b are pages. */
attn_status cache_check_pages(const attn_cache *c, int64_t b, int64_t first, int64_t last);

/* Where key or value j of a head stands in rows of `size` bytes an element; its page is known to be one. NULL where the
 * array has no data. */
static inline char *cache_row(const attn_cache *c, const attn_output *rows, int64_t size, int64_t b, int64_t head,
                              int64_t j)
{
    int64_t batch = b, row = j;
    if (!rows->data) return NULL;
    if (c->page_table) batch = c->page_table[b * c->table_row + j / c->page_size], row = j % c->page_size;
    return (char *)rows->data + (batch * rows->batch + head * rows->head + row * rows->row) * size;
}

/* The row of K or V itself. */
static inline char *cache_at(const attn_cache *c, const attn_output *rows, int64_t b, int64_t head, int64_t j)
{
    return cache_row(c, rows, element_size(c->dtype), b, head, j);
}

/* The scale of a row of an int8 cache, in k_scales or v_scales. */
static inline float *cache_scale(const attn_cache *c, const attn_output *scales, int64_t b, int64_t head, int64_t j)
{
    return (float *)cache_row(c, scales, sizeof(float), b, head, j);
}

#endif
