/* Decoding: greedy and beam search over any model that gives the next token's logits. Knows no model: the caller
 * brings a step function. Scores as in Marian: the sum of log p, divided by length^normalize. */
#ifndef OUTPUT_SEARCH_H
#define OUTPUT_SEARCH_H

#include "attn/attn.h"

/* When a sequence's search ends, which it always does where nothing that goes on can get among the n best any more. The
 * first two are what transformers does where early_stopping is true and false, the last where it is "never". */
typedef enum search_stopping {
    STOPPING_FULL,   /* when as many hypotheses have ended as the beam is wide */
    STOPPING_LIKELY, /* when, besides, none that goes on is better, at the length that it has, than the worst of them */
    STOPPING_SURE    /* not before */
} search_stopping;

/* What may be written, beyond what is probable, and for how long. All zero: anything. Lengths and n-grams count the
 * start id. */
typedef struct search_limits {
    bool forces_first; /* the first token is first_id, with probability 1 */
    int32_t first_id;
    bool forces_last; /* the token that makes a length of last_length is last_id, likewise */
    int32_t last_id;
    int64_t last_length;
    int64_t min_length;      /* no </s> while fewer ids are there */
    int64_t distinct_ngrams; /* no n-gram of this size is written twice; 0: any may be */
    search_stopping stopping;
} search_limits;

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

typedef struct hypothesis {
    int32_t *ids; /* malloc'ed, with </s> where it ended; NULL: there was no such hypothesis */
    int64_t length;
    float log_probability; /* natural, summed over ids */
    float score;           /* log_probability / length^normalize */
} hypothesis;

/* max_lengths of `batch`, each at least 1: tokens at most for each sequence, </s> among them. results (batch, n_best),
 * best first. Returns the step's own failures, and ATTN_ERROR_FORMAT where the logits of a row have no finite
 * normaliser. */
attn_status search_decode(const search_model *model, const search_options *options, int64_t batch,
                          const int64_t *max_lengths, hypothesis *results);

/* Frees the ids of `count` hypotheses and zeroes them. */
void hypotheses_clear(hypothesis *h, int64_t count);

#endif
