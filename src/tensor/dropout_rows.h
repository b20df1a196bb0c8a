/* Dropout, its draws kept as bits. For the row kernels' body. */
#ifndef TENSOR_DROPOUT_ROWS_H
#define TENSOR_DROPOUT_ROWS_H

#include "base/random.h"
#include "tensor/row_kernels.h"
#include "tensor/vector.h"

#define DROPOUT_BLOCKS (DROPOUT_RUN / 4)

/* The multipliers of DROPOUT_RUN elements: 0 or `kept`. A word is compared by its upper 24 bits, as random_unit
 * does. */
static void dropout_factors(uint64_t key, uint64_t first, uint32_t threshold, float kept, float *factors)
{
    uint32_t c0[DROPOUT_BLOCKS], c1[DROPOUT_BLOCKS], c2[DROPOUT_BLOCKS] = {0}, c3[DROPOUT_BLOCKS] = {0};
    for (int i = 0; i < DROPOUT_BLOCKS; i++) {
        c0[i] = (uint32_t)(first + (uint64_t)i);
        c1[i] = (uint32_t)((first + (uint64_t)i) >> 32);
    }
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        for (int i = 0; i < DROPOUT_BLOCKS; i++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * c0[i], p1 = (uint64_t)0xCD9E8D57u * c2[i];
            c0[i] = (uint32_t)(p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (uint32_t)(p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = (uint32_t)p1;
            c3[i] = (uint32_t)p0;
        }
    }
    for (int i = 0; i < DROPOUT_BLOCKS; i++) {
        factors[4 * i] = c0[i] >> 8 < threshold ? 0 : kept;
        factors[4 * i + 1] = c1[i] >> 8 < threshold ? 0 : kept;
        factors[4 * i + 2] = c2[i] >> 8 < threshold ? 0 : kept;
        factors[4 * i + 3] = c3[i] >> 8 < threshold ? 0 : kept;
    }
}

/* Bit b of word l of every LANES words is element b * LANES + l of their 32 * LANES: no sum or shift across lanes. */
INLINE void dropout_pack(const float *factors, uint32_t *bits)
{
    for (int w = 0; w < DROPOUT_WORDS; w += LANES, factors += 32 * LANES) {
        vecu words = {0};
        for (int b = 0; b < 32; b++) words |= (vecu)(load(factors + b * LANES) != all(0.0f)) & (uint32_t)1 << b;
        memcpy(bits + w, &words, sizeof words);
    }
}

INLINE void dropout_unpack(const uint32_t *bits, float kept, float *factors)
{
    for (int w = 0; w < DROPOUT_WORDS; w += LANES, factors += 32 * LANES) {
        vecu words;
        memcpy(&words, bits + w, sizeof words);
        for (int b = 0; b < 32; b++)
            store(factors + b * LANES, choose((veci)(words << (31 - b)) < 0, all(kept), all(0.0f)));
    }
}

static void dropout(int64_t n, uint64_t key, uint64_t first, float p, const float *x, float *y, uint32_t *bits)
{
    float factors[DROPOUT_RUN];
    const uint32_t threshold = (uint32_t)(p * 0x1p24f);
    const float kept = 1 / (1 - p);
    for (int64_t i = 0; i < n; i += DROPOUT_RUN, first += DROPOUT_BLOCKS, bits += DROPOUT_WORDS) {
        dropout_factors(key, first, threshold, kept, factors);
        dropout_pack(factors, bits);
        const int64_t part = n - i < DROPOUT_RUN ? n - i : DROPOUT_RUN;
        for (int64_t j = 0; j < part; j++) y[i + j] = x[i + j] * factors[j];
    }
}

INLINE void dropout_run_back(int64_t n, float p, const uint32_t *bits, const float *dy, float *dx, bool adding)
{
    float factors[DROPOUT_RUN];
    const float kept = 1 / (1 - p);
    for (int64_t i = 0; i < n; i += DROPOUT_RUN, bits += DROPOUT_WORDS) {
        dropout_unpack(bits, kept, factors);
        const int64_t part = n - i < DROPOUT_RUN ? n - i : DROPOUT_RUN;
        for (int64_t j = 0; j < part; j++)
            dx[i + j] = adding ? dx[i + j] + dy[i + j] * factors[j] : dy[i + j] * factors[j];
    }
}

static void dropout_back(int64_t n, float p, const uint32_t *bits, const float *dy, float *dx)
{
    dropout_run_back(n, p, bits, dy, dx, false);
}

static void dropout_back_add(int64_t n, float p, const uint32_t *bits, const float *dy, float *dx)
{
    dropout_run_back(n, p, bits, dy, dx, true);
}

#endif
