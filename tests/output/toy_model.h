/* A model for searches that needs no weights. */
#ifndef TESTS_TOY_MODEL_H
#define TESTS_TOY_MODEL_H

#include "output/search.h"

#define VOCABULARY 7
#define EOS 0
#define PAD 6

/* The next logits are a pure function of the sequence's key and of all tokens so far, so that
 * a search that confuses two rows gets other numbers. */
typedef struct toy {
    uint64_t keys[16];
    uint64_t *histories, *scratch; /* of each row */
    float *logits;
    int64_t calls, rows_seen, rows_asked;
} toy;

toy toy_create(uint64_t seed, int64_t batch, int64_t beam);
void toy_destroy(toy *m);

/* Of VOCABULARY numbers, after the tokens that the history stands for. */
void toy_logits(uint64_t history, float *logits);

/* Begins with PAD. */
search_model toy_model(toy *m, search_limits limits);

#endif
