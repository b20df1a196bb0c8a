/* The hypotheses of a search that have ended, and when they are enough. */
#ifndef OUTPUT_ENDED_HYPOTHESES_H
#define OUTPUT_ENDED_HYPOTHESES_H

#include "output/hypothesis.h"
#include "output/search_limits.h"
#include "output/token_tree.h"

typedef struct ended_hypotheses {
    int64_t beam, n_best;
    double normalize;
    search_stopping stopping;
    const int64_t *max_lengths; /* of each sequence */
    int64_t *counts;            /* of each sequence */
    double *scores;             /* (batch, beam) of the best of these, best first */
    hypothesis *best;           /* (batch, n_best) with their tokens, best first */
} ended_hypotheses;

/* Given all but counts and scores, which are made. To be cleared also after a failure. */
bool ended_hypotheses_create(ended_hypotheses *e, int64_t batch);
void ended_hypotheses_clear(ended_hypotheses *e);

/* One that ended: `length` tokens, of which `last` is the last and those before it end in the tree's node. */
attn_status ended_hypotheses_add(ended_hypotheses *e, int64_t sequence, double log_probability, int64_t length,
                                 const token_tree *tokens, int64_t node, int32_t last);

/* Whether the sequence's search is done, the likeliest of whose live hypotheses, all of `length` tokens, has this
 * log-probability: by its rule, or because none of them can get among the n best any more. Until then none is dropped
 * for being hopeless: what descends from it may end, and count. */
bool ended_hypotheses_suffice(const ended_hypotheses *e, int64_t sequence, int64_t length, double likeliest);

#endif
