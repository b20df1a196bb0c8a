/* Block-sparse masks: lists of the key blocks that each block of queries keeps. All functions take a mask that was
 * checked, and find their place in a list by a search, so that what lies between its blocks costs nothing. */
#ifndef ATTENTION_BLOCK_MASK_H
#define ATTENTION_BLOCK_MASK_H

#include "attn/attn.h"

/* Whether the lists are sound: starts in order and within the entries, entries in order and none negative. */
attn_status block_mask_check(const attn_desc *d);

/* Queries i .. i + ni - 1 of head h of sequence b, and keys j .. j + nj - 1. */
typedef struct block_tile {
    int64_t b, h, i, ni, j, nj;
} block_tile;

/* The least key from the tile's first on, beyond its last too, that any of its queries keeps; INT64_MAX for none. */
int64_t block_mask_next(const attn_desc *d, const block_tile *tile);

/* Whether the tile's pairs are kept: none, or every one, are told exactly. */
void block_mask_counts(const attn_desc *d, const block_tile *tile, bool *none, bool *all);

/* Writes -inf where a pair is not kept, to out[m * query_step + n * key_step]. */
void block_mask_cut(const attn_desc *d, const block_tile *tile, float *out, int64_t query_step, int64_t key_step);

#endif
