/* How a forward call is cut: a strip is up to FORWARD_STRIP blocks of queries beside each other in one head, which
 * share what is staged of each chunk of keys; a task is a run of strips, so that no task is too small to be worth
 * handing out. Every worker has its own piece of the workspace:
 *
 *     [kernel's scratch of each block | modification tile | dropout tile | stages of Q, O, a chunk's K and V]
 *
 * the stages for types other than fp32 alone. A sequence of few queries goes another way (forward_few.h). */
#ifndef ATTENTION_FORWARD_STRIP_H
#define ATTENTION_FORWARD_STRIP_H

#include "attention/forward_few.h"
#include "attn/attn.h"
#include "kernels/kernels.h"

#define FORWARD_STRIP 4

typedef struct forward_plan {
    const attn_desc *d;
    const kernel_table *table;
    bool lanes;                           /* some sequences' queries go in lanes */
    int64_t block_queries, strip_queries; /* in a block and in a strip, at most */
    int64_t head_strips, strips, task_strips, tasks;
    size_t scratch;                       /* of one block, in bytes */
    size_t modification, dropout, worker; /* offsets into a worker's piece, and its size, in bytes */
    size_t q, o, k, v;                    /* likewise: the stages */
    char *workspace;
    int64_t heads_abreast; /* of single queries (forward_abreast.h) */
    /* Of sequences of few queries, whose heads are a strip each; its piece begins where a worker's does. */
    forward_few few;
} forward_plan;

/* Whether a sequence goes in lanes: few queries, and additive scores, go in rows. */
bool forward_goes_in_lanes(const attn_desc *d);

/* Head h of sequence b, whose d is, from query `first` on. */
typedef struct strip_place {
    const attn_desc *d;
    int64_t b, h, first;
} strip_place;

/* The rows of O and the log-sum-exps of a strip; piece is the worker's. What the worker's next strip needs first, NULL
 * for none, is asked for meanwhile. */
void forward_strip(const forward_plan *plan, const strip_place *place, const strip_place *next, char *piece);

#endif
