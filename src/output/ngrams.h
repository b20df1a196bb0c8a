/* N-grams of a sequence of symbols (words' numbers, code points), sorted and counted. */
#ifndef OUTPUT_NGRAMS_H
#define OUTPUT_NGRAMS_H

#include "attn/attn.h"

typedef struct ngram {
    const uint32_t *symbols;
    int64_t count;
} ngram;

typedef struct ngrams {
    int order;
    ngram *items; /* distinct, in ascending order of their symbols */
    int64_t distinct;
    int64_t total; /* counts summed */
} ngrams;

/* The n-grams of `length` symbols, which are kept by reference. */
attn_status ngrams_count(ngrams *out, const uint32_t *symbols, int64_t length, int order);
void ngrams_clear(ngrams *g);

/* clip[i] = max(clip[i], count in b of a's n-gram i). */
void ngrams_raise(const ngrams *a, const ngrams *b, int64_t *clip);

/* The sum of min(count in a, count in b). */
int64_t ngrams_matches(const ngrams *a, const ngrams *b);

#endif
