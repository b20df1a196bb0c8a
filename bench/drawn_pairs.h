/* A batch of sentence pairs that mean nothing, to time training by: every step sees other tokens. */
#ifndef BENCH_DRAWN_PAIRS_H
#define BENCH_DRAWN_PAIRS_H

#include "base/random.h"

#include <stdint.h>

enum { BATCH = 64, LENGTH = 24, VOCABULARY = 8000 };

typedef struct drawn_pairs {
    int32_t source[BATCH * LENGTH], input[BATCH * LENGTH], expected[BATCH * LENGTH];
    int64_t lengths[BATCH];
} drawn_pairs;

/* The pieces are neither of the first two nor the last one, with which each target begins, and each ends where the next
 * one would begin. */
static inline void draw_pairs(drawn_pairs *p, uint64_t step)
{
    for (int i = 0; i < BATCH; i++) p->lengths[i] = LENGTH;
    for (int i = 0; i < BATCH * LENGTH; i++) {
        const random_block r = random_philox(step, (uint64_t)i, 0);
        p->source[i] = (int32_t)(2 + r.word[0] % (VOCABULARY - 3));
        p->expected[i] = (int32_t)(2 + r.word[1] % (VOCABULARY - 3));
        p->input[i] = i % LENGTH ? p->expected[i - 1] : VOCABULARY - 1;
    }
}

#endif
