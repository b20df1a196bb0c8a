/* The product that every attention kernel is made of: a tile of R rows by V vectors that stays in registers,
 *
 *     sum[r][v] += for k in 0 .. count - 1:  left[r * left_row + k * left_step] * right[k * right_row + v * SIMD_LANES]
 *
 * one element of the left factor broadcast against vectors of the right one. Neither is packed: the strides say
 * whether the left factor is read along its rows or down its columns. R and V are constants wherever this is inlined,
 * so that the loops over them unroll and the sums never leave their registers. Each element is summed over k in order.
 */
#ifndef KERNELS_SIMD_PRODUCT_H
#define KERNELS_SIMD_PRODUCT_H

#include "kernels/simd_parts.h"

/* R * V sums, V vectors of the right factor and a broadcast have to fit the registers: 4 x 6, 3 x 8, 2 x 12 of 32, or
 * 2 x 6, 1 x 12 of 16. */
#define PRODUCT_VECTORS (SIMD_REGISTERS == 32 ? 4 : 2)
#define PRODUCT_ROWS(V) ((V) == 1 ? 12 : (SIMD_REGISTERS == 32 ? 24 : 12) / (V))
#define PRODUCT_MOST_ROWS 12
#define PRODUCT_MOST_VECTORS 4

typedef struct product_factors {
    const float *left;
    int64_t left_row, left_step;
    const float *right;
    int64_t right_row;
    int64_t count;
} product_factors;

/* One k of it. */
INLINE void product_step(const int R, const int V, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS], const float *left,
                         int64_t left_row, const float *right)
{
    vec b[PRODUCT_MOST_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) b[v] = vec_load(right + v * SIMD_LANES);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
        vec a = vec_set1(left[r * left_row]);
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) sum[r][v] = vec_fma(a, b[v], sum[r][v]);
    }
}

INLINE void product_sum(const int R, const int V, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS],
                        const product_factors *f)
{
    const float *left = f->left, *right = f->right;
    const int64_t left_row = f->left_row, left_step = f->left_step, right_row = f->right_row;
    /* Four at a time: a Zen 5 core does backward of 128 dimensions 1.04 to 1.10 times as fast. */
#pragma GCC unroll 4
    for (int64_t k = 0; k < f->count; k++) {
        product_step(R, V, sum, left, left_row, right);
        left += left_step;
        right += right_row;
    }
}

/* out[r * out_row + v * SIMD_LANES] = the sum of so many products, each as product_sum has it; of none, 0. */
INLINE void product_tile(const int R, const int V, const product_factors *f, int terms, float *out, int64_t out_row)
{
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) sum[r][v] = vec_zero();
    for (int n = 0; n < terms; n++) product_sum(R, V, sum, &f[n]);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) vec_store(out + r * out_row + v * SIMD_LANES, sum[r][v]);
}

/* The same as product_sum for V = 1 where only the right factor's first n columns exist. */
INLINE void product_sum_n(const int R, int n, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS],
                          const product_factors *f)
{
    const float *left = f->left, *right = f->right;
    for (int64_t k = 0; k < f->count; k++) {
        vec b = vec_load_n(right + k * f->right_row, n);
#pragma GCC unroll 12
        for (int r = 0; r < R; r++)
            sum[r][0] = vec_fma(vec_set1(left[r * f->left_row + k * f->left_step]), b, sum[r][0]);
    }
}

/* out[r] = factor * (sum over d of x[d] * y[r * y_row + d]) for so many rows, at most PRODUCT_MOST_VECTORS: both
 * factors are read along d, in lanes, which are summed at the end. */
INLINE void product_along(const int rows, const float *x, const float *y, int64_t y_row, int64_t length, float factor,
                          float *out)
{
    vec sum[PRODUCT_MOST_VECTORS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) sum[r] = vec_zero();
    for (int64_t d = 0; d < length; d += SIMD_LANES) {
        int part = part_at(length, d);
        vec a = load_part(x + d, part);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) sum[r] = vec_fma(a, load_part(y + r * y_row + d, part), sum[r]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) out[r] = factor * vec_sum(sum[r]);
}

#endif
