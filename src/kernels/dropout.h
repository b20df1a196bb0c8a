/* Which weights dropout keeps. The decision for weight (h, i, j) of a sequence is a pure function of (the sequence's
 * key, h, i, j): one Philox block decides for four neighbouring keys of a query,
 *
 *     block = philox4x32-10(key, counter = (j / 4, i, h, 0)),   kept when block.word[j % 4] >= threshold
 *
 * with each counter word taken modulo 2^32, so that any tiling, thread count, instruction set and batch draws the same.
 */
#ifndef KERNELS_DROPOUT_H
#define KERNELS_DROPOUT_H

#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct dropout_draw {
    uint64_t key;       /* the sequence's */
    uint32_t head;      /* h */
    uint32_t threshold; /* dropout_threshold(p) */
    float kept_factor;  /* 1 / (1 - p): what a kept weight is multiplied by */
} dropout_draw;

/* The share of the 2^32 words that are dropped; p in [0, 1). */
static inline uint32_t dropout_threshold(float p)
{
    return (uint32_t)((double)p * 0x1p32);
}

static inline bool dropout_keeps(const dropout_draw *draw, int64_t i, int64_t j)
{
    uint64_t low = (uint64_t)(uint32_t)i << 32 | (uint32_t)((uint64_t)j >> 2);
    return random_philox(draw->key, low, draw->head).word[j & 3] >= draw->threshold;
}

#endif
