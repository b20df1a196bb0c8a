/* A product that is added to rows of memory, tile by tile in registers, of fp32 or of pairs of bf16: included after
 * `into_factors`, its factors, and `into_sum` and `into_sum_n`, which are simd_product.h's or pairs_product.h's
 * product_sum and product_sum_n of them. */
#ifndef KERNELS_PRODUCT_INTO_H
#define KERNELS_PRODUCT_INTO_H

#include "kernels/lines_ahead.h"

/* out (rows, columns) += left right, of `factors` at column and row 0. */
typedef struct product_into {
    into_factors factors;
    float *out;
    int64_t out_row, rows, columns;
    lines_ahead *ahead; /* asked for beside its tiles */
} product_into;

INLINE into_factors factors_at(const product_into *p, int64_t row, int64_t column)
{
    into_factors f = p->factors;
    f.left += row * f.left_row;
    f.right += column;
    return f;
}

/* The rows are added to when the products are done, and asked for before: they come from a farther cache than the
 * factors. */
INLINE void add_tile(const int R, const int V, const product_into *p, int64_t row, int64_t column)
{
    const into_factors f = factors_at(p, row, column);
    float *out = p->out + row * p->out_row + column;
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            __builtin_prefetch(out + r * p->out_row + v * SIMD_LANES);
            sum[r][v] = vec_zero();
        }
    into_sum(R, V, sum, &f);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            float *to = out + r * p->out_row + v * SIMD_LANES;
            vec_store(to, vec_add(vec_load(to), sum[r][v]));
        }
}

INLINE void add_tile_n(const int R, int n, const product_into *p, int64_t row, int64_t column)
{
    const into_factors f = factors_at(p, row, column);
    float *out = p->out + row * p->out_row + column;
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) sum[r][0] = vec_load_n(out + r * p->out_row, n);
    into_sum_n(R, n, sum, &f);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) vec_store_n(out + r * p->out_row, sum[r][0], n);
}

INLINE void add_columns(const int V, const product_into *p, int64_t column)
{
    int64_t row = 0;
    for (; row + PRODUCT_ROWS(V) <= p->rows; row += PRODUCT_ROWS(V)) {
        lines_ahead_beside(p->ahead, PRODUCT_ROWS(V) * V * SIMD_LANES);
        add_tile(PRODUCT_ROWS(V), V, p, row, column);
    }
    for (; row + 4 <= p->rows; row += 4) add_tile(4, V, p, row, column);
    for (; row < p->rows; row++) add_tile(1, V, p, row, column);
}

static void add_product(const product_into *p)
{
    int64_t column = 0, vectors = p->columns / SIMD_LANES;
    for (; vectors >= PRODUCT_VECTORS; vectors -= PRODUCT_VECTORS) {
        add_columns(PRODUCT_VECTORS, p, column);
        column += PRODUCT_VECTORS * SIMD_LANES;
    }
    if (vectors == 3) add_columns(3, p, column);
    if (vectors == 2) add_columns(2, p, column);
    if (vectors == 1) add_columns(1, p, column);
    column += vectors * SIMD_LANES;
    const int n = (int)(p->columns - column);
    if (!n) return;
    int64_t row = 0;
    for (; row + 8 <= p->rows; row += 8) add_tile_n(8, n, p, row, column);
    for (; row < p->rows; row++) add_tile_n(1, n, p, row, column);
}

#endif
