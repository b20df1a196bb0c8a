/* Forward where a sequence has few queries: those of all heads that share a key head go over its keys together, chunk
 * after chunk, each row of K and V read once (few_queries.h); a chunk's part joins what the chunks before gave. */
#ifndef ATTENTION_FORWARD_FEW_H
#define ATTENTION_FORWARD_FEW_H

#include "attention/few_queries.h"

typedef struct forward_few {
    few_queries few;
    int64_t heads;                      /* that go together, at most: so that every worker has some */
    size_t o, largest, sum;             /* offsets into a worker's piece: a chunk's part */
    size_t all_o, all_largest, all_sum; /* that of all chunks so far */
} forward_few;

/* Whether sequence b, whose d is, goes so. Its own sizes and options alone decide, keys behind its length not among
 * them. */
bool forward_goes_few(const attn_desc *d, int64_t b);

/* Lays a worker's piece out for d's sequences, its bytes into *bytes, 0 where none goes so; false when it does not fit.
 */
bool forward_few_plan(forward_few *x, const attn_desc *d, size_t *bytes);

/* The rows of O and log-sum-exps of head h of sequence b, whose d is, and of the heads that go with it; nothing where
 * it goes with one before it. */
void forward_few_run(const forward_few *x, const attn_desc *d, int64_t b, int64_t h, char *piece);

#endif
