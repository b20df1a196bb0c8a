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

/* Where key or value j of a head stands, in elements from the array's first one; its page is known to be one. */
static inline int64_t cache_offset(const attn_cache *c, const attn_output *rows, int64_t b, int64_t head, int64_t j)
{
    if (!c->page_table) return b * rows->batch + head * rows->head + j * rows->row;
    int64_t page = c->page_table[b * c->table_row + j / c->page_size];
    return page * rows->batch + head * rows->head + j % c->page_size * rows->row;
}

#endif
