/* The hypotheses of a search that have ended, and when they are enough. */
#ifndef OUTPUT_ENDED_HYPOTHESES_H
#define OUTPUT_ENDED_HYPOTHESES_H

#include "output/hypothesis.h"
#include "output/live_rows.h"
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

/* Drops the sequence's live rows, those of *next from `first` on, the most probable of them first and all of `length`
 * tokens, if its search is done, else those that cannot be among the n best any more. */
void ended_hypotheses_prune(const ended_hypotheses *e, int64_t sequence, int64_t length, live_rows *next,
                            int64_t first);

#endif
