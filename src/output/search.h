/* Decoding: greedy and beam search over any model that gives the next token's logits. Knows no model: the caller
 * brings a step function. Scores as in Marian and CTranslate2: sum of log p, divided by length^normalize. */
#ifndef OUTPUT_SEARCH_H
#define OUTPUT_SEARCH_H

#include "attn/attn.h"

/* Logits of the next token for every live row: ids (rows), all at `position`; from and sequence_of (rows) say which
 * earlier row each continues (identity at position 0) and whose it is. *logits (rows, vocabulary) stays valid until the
 * next call. The search may overwrite it. */
typedef struct search_model {
    void *model;
    attn_status (*step)(void *model, const int32_t *ids, const int64_t *from, const int64_t *sequence_of, int64_t rows,
                        int64_t position, float **logits);
    int64_t vocabulary;
    int32_t start_id, eos_id, pad_id; /* pad is never produced */
} search_model;

typedef struct search_options {
    int64_t beam;    /* 1: greedy */
    int64_t n_best;  /* at most beam */
    float normalize; /* exponent of the length that divides a hypothesis' score; 0: none */
    int threads;
} search_options;

typedef struct hypothesis {
    int32_t *ids; /* with </s> where it ended */
    int64_t length;
    float log_probability; /* natural, summed over ids */
    float score;           /* normalized */
    int64_t *rows;         /* the decoder row that produced each id, for alignments */
} hypothesis;

/* max_lengths of `batch`: tokens at most for each sequence. results (batch * n_best), best first; unused ones have ids
 * NULL. */
attn_status search_decode(const search_model *model, const search_options *options, int64_t batch,
                          const int64_t *max_lengths, hypothesis *results);
void hypothesis_clear(hypothesis *h);

#endif
