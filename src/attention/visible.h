/* Which keys a query attends to, and what is added to its scores: the one place where causal, window, lengths, masks,
 * bias and slopes are read, for both directions. */
#ifndef ATTENTION_VISIBLE_H
#define ATTENTION_VISIBLE_H

#include "attn/attn.h"

#include <stdbool.h>

/* Keys first .. last - 1; none when first >= last. */
typedef struct key_range {
    int64_t first, last;
} key_range;

/* Queries first .. last - 1 likewise. */
typedef struct query_range {
    int64_t first, last;
} query_range;

/* The keys that causal, window and key length leave to query i of sequence b, in 0 .. S. */
key_range visible_keys(const attn_desc *d, int64_t b, int64_t i);

/* The least range that holds those of queries i .. i + ni - 1. */
key_range visible_keys_of(const attn_desc *d, int64_t b, int64_t i, int64_t ni);

/* The least range of queries that holds all those that causal and window leave to keys j .. j + nj - 1; empty when the
 * key length leaves none of them. */
query_range visible_queries_of(const attn_desc *d, int64_t b, int64_t j, int64_t nj);

/* The least key from j on that a block mask keeps for any of queries i .. i + ni - 1, INT64_MAX for none; j without
 * one.
 */
int64_t visible_next(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t ni, int64_t j);

/* A tile's place, for a caller's functions: sequence, head, first query and key. */
attn_tile visible_place(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t j);

/* How far query i stands to the right of key j, held so far within int64_t that a tile's own rows and columns can be
 * added. */
int64_t visible_distance(const attn_desc *d, int64_t b, int64_t i, int64_t j);

typedef enum visible_kind {
    VISIBLE_NONE,  /* no query of the tile attends to any of its keys: skip it */
    VISIBLE_ALL,   /* every query attends to every key, and nothing is added */
    VISIBLE_ADDED, /* every query attends to every key; each (capped) score gets its modification added */
    VISIBLE_SOME   /* the same, but where a modification is -inf the pair is masked */
} visible_kind;

static inline bool visible_modifies(visible_kind kind)
{
    return kind == VISIBLE_ADDED || kind == VISIBLE_SOME;
}

/* A tile of queries i .. i + ni - 1 and keys j .. j + nj - 1 of sequence b, head h. Where it modifies, the modification
 * of query i + m and key j + n goes to modification[m * query_step + n * key_step], one of whose steps is 1.
 * A masked score must be replaced by -inf, not summed, since -inf + NaN is NaN. */
visible_kind visible_tile(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t ni, int64_t j, int64_t nj,
                          float *modification, int64_t query_step, int64_t key_step);

/* Whether what head h sees is told by a bit for each pair: nothing is added to scores, and neither lists nor a function
 * say what is seen. */
bool visible_has_bits(const attn_desc *d, int64_t h);

/* The same tile of up to 64 queries of such a head by bits: where some pairs are masked, key j + n is seen by query i +
 * m if bit m of seen[n] is set; bits behind the queries' may be anything. Never VISIBLE_ADDED. */
visible_kind visible_bits(const attn_desc *d, int64_t b, int64_t h, int64_t i, int64_t ni, int64_t j, int64_t nj,
                          uint64_t *seen);

#endif
