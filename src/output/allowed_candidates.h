/* The most probable next tokens of one row of logits, of those that a search's limits allow. */
#ifndef OUTPUT_ALLOWED_CANDIDATES_H
#define OUTPUT_ALLOWED_CANDIDATES_H

#include "output/search_limits.h"
#include "output/token_tree.h"
#include "output/top_candidates.h"

typedef struct allowed_candidates {
    const search_limits *limits;
    int64_t vocabulary;
    int32_t start_id, eos_id, pad_id; /* pad -1: there is none */
    int64_t history_length;
    int32_t *histories; /* (rows, history_length): each row's ids, start first; NULL where no limit asks for them */
    int32_t *banned;    /* (rows, history_length + 2): ids that may not be next */
} allowed_candidates;

/* For so many rows of up to `longest` tokens; given all but the last three, which are made. To be cleared also after a
 * failure. */
attn_status allowed_candidates_create(allowed_candidates *a, int64_t rows, int64_t longest);
void allowed_candidates_clear(allowed_candidates *a);

/* Those of row `row`, whose `length` tokens end in the tree's node, into top (width). Returns as top_candidates does,
 * but never 0: where nothing else is left it is the end. Several threads may ask for different rows at once. */
int64_t allowed_candidates_find(const allowed_candidates *a, int64_t row, int64_t length, const token_tree *tokens,
                                int64_t node, float *logits, int64_t width, candidate *top);

#endif
