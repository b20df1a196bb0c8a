/* The order of backward's sums, and of double backward's: T, S and D alone decide it, though a head is shared out.
 *
 * Queries and keys are cut into chunks of a fixed size. Round r pairs key chunk t with query chunk (t + r) mod C, for
 * each key head at once: no two tasks of a round add to the same rows of dQ, dK or dV, so that a round is one parallel
 * loop, and rounds follow each other.
 *
 *     C = 4        key chunk   0 1 2 3
 *     query chunk 0            0 3 2 1      the round in which the pair is done
 *                 1            1 0 3 2
 *                 2            2 1 0 3
 *                 3            3 2 1 0
 *
 * Query heads that share a key head follow each other in the same way, all rounds of one before the next. */
#ifndef ATTENTION_BACKWARD_ROUNDS_H
#define ATTENTION_BACKWARD_ROUNDS_H

#include "attention/backward_worker.h"

/* A task of a round: queries first_query .. last_query - 1 of a head against keys first_key .. last_key - 1. */
typedef struct backward_pair {
    attn_desc own;
    const attn_desc *d; /* the sequence's, which may stand in the pair: it must not move */
    int64_t b, h, key_head;
    int64_t query_piece, key_piece; /* backward_parts.h */
    int64_t first_query, last_query, first_key, last_key;
    bool writes_keys; /* nothing was added to the keys' rows, nor were they zeroed: the task writes them */
    bool zeroes_keys; /* they are zeroed before */
    bool begins;      /* the head's first round: nothing was added to the queries, nor to the parts */
} backward_pair;

/* Runs all rounds, in order: plan->round tells the tasks which one is theirs. */
void backward_rounds(backward_plan *plan, attn_task task, void *argument);

/* Which pair a task of this round is. */
void backward_pair_find(backward_pair *x, const backward_plan *plan, int64_t task);

/* The same, and zeroes the rows of dQ, dK and dV that no round before has added to, but for what writes_keys leaves to
 * the task. */
void backward_pair_begin(backward_pair *x, const backward_plan *plan, int64_t task);

static inline bool backward_pair_is_empty(const backward_pair *x)
{
    return x->first_key >= x->last_key || x->first_query >= x->last_query;
}

/* Rows first .. last - 1 of a head, where the array has data. */
void backward_zero_rows(const attn_output *out, int64_t b, int64_t h, int64_t first, int64_t last, int64_t columns);

#endif
