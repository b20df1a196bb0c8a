/* What a forward step reads and writes, for the step before it to ask for while it multiplies (kernels/lines_ahead.h).
 */
#ifndef ATTENTION_FORWARD_AHEAD_H
#define ATTENTION_FORWARD_AHEAD_H

#include "attn/attn.h"
#include "kernels/lines_ahead.h"

/* The place of a step: a block of queries of head h and a chunk of its keys. */
typedef struct step_place {
    const attn_desc *d; /* sequence b's */
    int64_t b, h, first, queries, key, keys;
} step_place;

/* Each adds to what is asked for, before what was added already: rows of O and of Q, rows of V and of K, and rows of
 * bias and of mask. */
void forward_ahead_queries(lines_ahead *ahead, const step_place *x);
void forward_ahead_keys(lines_ahead *ahead, const step_place *x);
void forward_ahead_masks(lines_ahead *ahead, const step_place *x);

#endif
