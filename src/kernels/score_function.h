/* A caller's function of scores, as a kernel calls it between its products and its softmax. */
#ifndef KERNELS_SCORE_FUNCTION_H
#define KERNELS_SCORE_FUNCTION_H

#include "attn/attn.h"

typedef struct score_function {
    attn_score_function call; /* NULL: none */
    void *user;
    attn_tile at; /* the kernel's first query and key; the rest is not set */
} score_function;

/* Calls it on the values of `queries` from query m on and `keys` from key n on. Slopes, laid out likewise, or NULL. */
static inline void score_function_call(const score_function *f, int64_t m, int64_t queries, int64_t n, int64_t keys,
                                       float *values, float *slopes, int64_t query_step, int64_t key_step)
{
    attn_tile tile = f->at;
    tile.query += m, tile.position += m, tile.key += n;
    tile.queries = queries, tile.keys = keys;
    tile.values = values, tile.slopes = slopes;
    tile.query_step = query_step, tile.key_step = key_step;
    f->call(f->user, &tile);
}

#endif
