/* Additive scores of a row to several rows,
 *
 *     score[r] = sum over d of w[d] * tanh(x[d] + y[r * y_row + d])
 *
 * with dimensions in lanes: all rows are read as they stand, a single query costs no more than its share, and since
 * x + y is y + x, x may be a query and y keys or the other way round. Each element is summed over its lanes in order,
 * then over the lanes, so that its bits depend on neither. Built for one instruction set, like simd.h. */
#ifndef KERNELS_ADDITIVE_SCORE_H
#define KERNELS_ADDITIVE_SCORE_H

#include "kernels/simd_math.h"
#include "kernels/simd_parts.h"

#include <stdint.h>

/* Rows whose sums run side by side. */
#define ADDITIVE_ROWS 4

/* What one vector of dimensions adds; part is SIMD_LANES, or what is left of D. */
INLINE void additive_part(const int rows, vec weight, vec x, const float *y, int64_t y_row, int part,
                          vec sum[ADDITIVE_ROWS], float *bent, int64_t bent_row)
{
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        vec t = vec_tanh(vec_add(x, load_part(y + r * y_row, part)));
        if (bent) vec_store(bent + r * bent_row, t);
        sum[r] = vec_fma(weight, t, sum[r]);
    }
}

/* `rows` of them, at most ADDITIVE_ROWS. Where `bent` is not NULL the hyperbolic tangents go to
 * bent[r * bent_row + d], a multiple of SIMD_LANES for each row. */
INLINE void additive_score(const int rows, const float *w, const float *x, const float *y, int64_t y_row, int64_t D,
                           float *scores, float *bent, int64_t bent_row)
{
    vec sum[ADDITIVE_ROWS];
    int64_t d = 0;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) sum[r] = vec_zero();
    for (; d + SIMD_LANES <= D; d += SIMD_LANES)
        additive_part(rows, vec_load(w + d), vec_load(x + d), y + d, y_row, SIMD_LANES, sum, bent ? bent + d : NULL,
                      bent_row);
    int part = (int)(D - d);
    if (part)
        additive_part(rows, vec_load_n(w + d, part), vec_load_n(x + d, part), y + d, y_row, part, sum,
                      bent ? bent + d : NULL, bent_row);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) scores[r] = vec_sum(sum[r]);
}

#endif
