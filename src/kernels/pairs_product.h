/* The product of simd_product.h on pairs of bf16, two steps of it in one:
 *
 *     sum[r][v] += for k in 0 .. count - 1:  left[r * left_row + k * left_step] . right[k * right_row + v * SIMD_LANES]
 *
 * one pair of the left factor broadcast against vectors of pairs of the right one, in order. The left factor's strides
 * count numbers, so that rows of any length can be read as they stand; the right one's count pairs. */
#ifndef KERNELS_PAIRS_PRODUCT_H
#define KERNELS_PAIRS_PRODUCT_H

#include "kernels/lines_ahead.h"
#include "kernels/simd_pairs.h"
#include "kernels/simd_product.h"

#include <string.h>

typedef struct pair_factors {
    const uint16_t *left;
    int64_t left_row, left_step;
    const uint32_t *right;
    int64_t right_row;
    int64_t count;
    lines_ahead *ahead; /* asked for a line in every step; NULL: nothing is */
} pair_factors;

INLINE uint32_t pair_at(const uint16_t *numbers)
{
    uint32_t pair;
    memcpy(&pair, numbers, sizeof pair);
    return pair;
}

INLINE void pairs_product_sum(const int R, const int V, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS],
                              const pair_factors *f)
{
    const uint16_t *left = f->left;
    const uint32_t *right = f->right;
    const int64_t left_row = f->left_row, left_step = f->left_step, right_row = f->right_row;
    for (int64_t k = 0; k < f->count; k++) {
        pairs b[PRODUCT_MOST_VECTORS];
        if (f->ahead) lines_ahead_ask(f->ahead);
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) b[v] = pairs_load(right + v * SIMD_LANES);
#pragma GCC unroll 12
        for (int r = 0; r < R; r++) {
            const pairs a = pairs_set1(pair_at(left + r * left_row));
#pragma GCC unroll 4
            for (int v = 0; v < V; v++) sum[r][v] = pairs_dot(a, b[v], sum[r][v]);
        }
        left += left_step;
        right += right_row;
    }
}

/* The last of an odd number of steps: left's numbers at `left`, one a row, with 0 beside them. */
INLINE void pairs_product_last(const int R, const int V, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS],
                               const uint16_t *left, int64_t left_row, const uint32_t *right)
{
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++)
            sum[r][v] = pairs_dot(pairs_set1(left[r * left_row]), pairs_load(right + v * SIMD_LANES), sum[r][v]);
}

/* The same as pairs_product_sum for V = 1 where only the right factor's first n columns exist. */
INLINE void pairs_product_sum_n(const int R, int n, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS],
                                const pair_factors *f)
{
    for (int64_t k = 0; k < f->count; k++) {
        const pairs b = pairs_load_n((const uint16_t *)(f->right + k * f->right_row), 2 * n);
#pragma GCC unroll 12
        for (int r = 0; r < R; r++)
            sum[r][0] = pairs_dot(pairs_set1(pair_at(f->left + r * f->left_row + k * f->left_step)), b, sum[r][0]);
    }
}

#endif
