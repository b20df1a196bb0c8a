/* The caller's key/value cache, read into one of this library's own size and checked. */
#ifndef ATTENTION_CACHE_H
#define ATTENTION_CACHE_H

#include "attn/attn.h"

/* Copies cache into *c and checks all that needs no data: sizes, types, pages. */
attn_status cache_read(const attn_cache *cache, attn_cache *c);

/* Checks of a cache that was read: K's and V's arrays, the lengths, that there is a page table where there are pages.
 */
attn_status cache_check_arrays(const attn_cache *c);

/* That the pages of keys first .. last - 1 of sequence b are pages. */
attn_status cache_check_pages(const attn_cache *c, int64_t b, int64_t first, int64_t last);

/* Bytes of an element of K or V. */
static inline int64_t cache_element(const attn_cache *c)
{
    return c->dtype == ATTN_DTYPE_F32 ? 4 : 2;
}

/* Where key or value j of a head stands; its page is known to be one. NULL where the array has no data. */
static inline char *cache_at(const attn_cache *c, const attn_output *rows, int64_t b, int64_t head, int64_t j)
{
    int64_t batch = b, row = j;
    if (!rows->data) return NULL;
    if (c->page_table) batch = c->page_table[b * c->table_row + j / c->page_size], row = j % c->page_size;
    return (char *)rows->data + (batch * rows->batch + head * rows->head + row * rows->row) * cache_element(c);
}

#endif
