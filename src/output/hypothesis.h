/* What a search has found. */
#ifndef OUTPUT_HYPOTHESIS_H
#define OUTPUT_HYPOTHESIS_H

#include <stdint.h>

typedef struct hypothesis {
    int32_t *ids; /* malloc'ed, with </s> where it ended; NULL: there was no such hypothesis */
    int64_t length;
    float log_probability; /* natural, summed over ids */
    float score;           /* log_probability / length^normalize */
} hypothesis;

/* Frees the ids of `count` hypotheses and zeroes them. */
void hypotheses_clear(hypothesis *h, int64_t count);

#endif
