/* A workspace's pieces, one behind another, each begun on a line of its own. */
#ifndef ATTENTION_WORKSPACE_PIECES_H
#define ATTENTION_WORKSPACE_PIECES_H

#include "attn/attn.h"
#include "base/checked.h"

/* Adds one of count * size bytes behind *all; false when that does not fit. */
static inline bool workspace_add(size_t *all, int64_t count, size_t size, size_t *offset)
{
    size_t bytes;
    *offset = *all;
    return checked_mul((size_t)count, size, &bytes) && checked_whole(bytes, ATTN_ALIGNMENT, &bytes) &&
           checked_add(*all, bytes, all) && *all <= PTRDIFF_MAX;
}

#endif
