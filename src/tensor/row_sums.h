/* Rows added, multiplied and summed. For the row kernels' body. */
#ifndef TENSOR_ROW_SUMS_H
#define TENSOR_ROW_SUMS_H

#include "tensor/vector.h"

static void add(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void multiply(int64_t n, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] *= x[i];
}

static void scale(int64_t n, float s, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = s * x[i];
}

static void add_scaled(int64_t n, float s, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++) y[i] += s * x[i];
}

static void sum(int64_t n, const float *x, const float *y, float *z)
{
    for (int64_t i = 0; i < n; i++) z[i] = x[i] + y[i];
}

static double square_sum(int64_t n, const float *x)
{
    double sums[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) sums[l] += (double)x[i + l] * x[i + l];
    for (; i < n; i++) sums[0] += (double)x[i] * x[i];
    double total = 0;
    for (int l = 0; l < LANES; l++) total += sums[l];
    return total;
}

/* Few rows at a time: rows that lie pages apart would otherwise cost an address translation for every few columns. */
#define COLUMN_SUM_ROWS 32

INLINE void add_columns(int64_t rows, int64_t columns, int64_t stride, const float *x, float *sums)
{
    int64_t j = 0;
    for (; j + 4 * LANES <= columns; j += 4 * LANES) {
        vec a = load(sums + j), b = load(sums + j + LANES);
        vec c = load(sums + j + 2 * LANES), d = load(sums + j + 3 * LANES);
        for (int64_t r = 0; r < rows; r++) {
            const float *row = x + r * stride + j;
            a += load(row);
            b += load(row + LANES);
            c += load(row + 2 * LANES);
            d += load(row + 3 * LANES);
        }
        store(sums + j, a);
        store(sums + j + LANES, b);
        store(sums + j + 2 * LANES, c);
        store(sums + j + 3 * LANES, d);
    }
    for (; j < columns; j++)
        for (int64_t r = 0; r < rows; r++) sums[j] += x[r * stride + j];
}

static void column_sums(int64_t rows, int64_t columns, int64_t stride, const float *x, float *sums)
{
    for (int64_t r = 0; r < rows; r += COLUMN_SUM_ROWS)
        add_columns(rows - r < COLUMN_SUM_ROWS ? rows - r : COLUMN_SUM_ROWS, columns, stride, x + r * stride, sums);
}

#endif
