/* That new rows go to pages of their own. */
#ifndef ATTENTION_APPEND_PAGES_H
#define ATTENTION_APPEND_PAGES_H

#include "attn/attn.h"

/* Fails where two entries of the page table that get new rows, the last T of each sequence, name the same page. They
 * must have been checked to be pages (cache_check_pages). */
attn_status append_check_pages_apart(const attn_cache *c, int64_t T);

#endif
