/* Decoding: greedy and beam search over any model that gives the next token's logits. Knows no model: the caller
 * brings a step function. Scores as in Marian: the sum of log p, divided by length^normalize. */
#ifndef OUTPUT_SEARCH_H
#define OUTPUT_SEARCH_H

#include "attn/attn.h"
#include "output/hypothesis.h"
#include "output/search_limits.h"

/* step takes every live row on: ids (rows), all at `position`; row r continues the previous step's row from[r] (at
 * position 0: sequence r's start) and belongs to sequence_of[r]. The rows of a sequence are neighbours, sequences
 * ascend, and those that are done have no rows. logits then gives those of the next token for some of the step's rows,
 * *logits (count, vocabulary), which stays valid until the next call; the search may overwrite it. It asks for no row
 * whose logits could not change anything. */
typedef struct search_model {
    void *model;
    attn_status (*step)(void *model, const int32_t *ids, const int64_t *from, const int64_t *sequence_of, int64_t rows,
                        int64_t position);
    attn_status (*logits)(void *model, const int64_t *rows, int64_t count, float **logits);
    int64_t vocabulary;
    int32_t start_id, eos_id, pad_id; /* pad is never produced; -1: there is none */
    search_limits limits;
} search_model;

#define SEARCH_MAX_BEAM 256

typedef struct search_options {
    int64_t beam;    /* 1 .. SEARCH_MAX_BEAM; 1: greedy */
    int64_t n_best;  /* 1 .. beam */
    float normalize; /* exponent of the length that divides a hypothesis' score; 0: none */
    int threads;
} search_options;

/* max_lengths of `batch`, each at least 1: tokens at most for each sequence, </s> among them. results (batch, n_best),
 * best first. Returns the step's own failures, and ATTN_ERROR_FORMAT where the logits of a row have no finite
 * normaliser. */
attn_status search_decode(const search_model *model, const search_options *options, int64_t batch,
                          const int64_t *max_lengths, hypothesis *results);

#endif
