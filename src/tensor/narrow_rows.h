/* Rows of bf16 beside rows of fp32. For the row kernels' body, whose vectors it takes. */
#ifndef TENSOR_NARROW_ROWS_H
#define TENSOR_NARROW_ROWS_H

#include "base/number_format.h"
#include "tensor/vector.h"

typedef uint16_t narrow_vec __attribute__((vector_size(2 * LANES)));

/* As bf16_to_float. */
INLINE vec widened(narrow_vec x)
{
    return bits_to_vec((veci)(__builtin_convertvector(x, vecu) << 16));
}

/* As bf16_of_float. */
INLINE narrow_vec narrowed(vec x)
{
    const vecu bits = (vecu)vec_to_bits(x), rounded = bits + 0x7fffu + (bits >> 16 & 1u);
    const vecu nan = (vecu)(x != x);
    return __builtin_convertvector(((rounded >> 16) & ~nan) | ((bits >> 16 | 0x40u) & nan), narrow_vec);
}

/* The first n <= LANES elements, zeros after them. */
INLINE vec load_narrow(const uint16_t *p, int64_t n)
{
    narrow_vec v = {0};
    if (n == LANES)
        memcpy(&v, p, sizeof v);
    else
        memcpy(&v, p, (size_t)n * sizeof *p);
    return widened(v);
}

INLINE void store_narrow(uint16_t *p, vec x, int64_t n)
{
    const narrow_vec v = narrowed(x);
    if (n == LANES)
        memcpy(p, &v, sizeof v);
    else
        memcpy(p, &v, (size_t)n * sizeof *p);
}

INLINE vec load_some(const float *p, int64_t n)
{
    return n == LANES ? load(p) : load_part(p, n);
}

INLINE void store_some(float *p, vec x, int64_t n)
{
    if (n == LANES)
        store(p, x);
    else
        store_part(p, x, n);
}

static void narrow(int64_t n, const float *x, uint16_t *y)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) store_narrow(y + i, load(x + i), LANES);
    if (i < n) store_narrow(y + i, load_part(x + i, n - i), n - i);
}

INLINE void map_narrow_some(uint16_t *y, uint16_t *slopes, int64_t n, vec (*function)(vec, vec *))
{
    vec slope;
    store_narrow(y, function(load_narrow(y, n), &slope), n);
    store_narrow(slopes, slope, n);
}

INLINE void map_narrow(int64_t n, uint16_t *y, uint16_t *slopes, vec (*function)(vec, vec *))
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) map_narrow_some(y + i, slopes + i, LANES, function);
    if (i < n) map_narrow_some(y + i, slopes + i, n - i, function);
}

/* Adds the vector at column j of a row to the columns' sums. */
INLINE void add_some(float *sums, vec x, int64_t n)
{
    store_some(sums, load_some(sums, n) + x, n);
}

INLINE void narrow_and_sum_some(const float *x, uint16_t *y, float *sums, int64_t n)
{
    const vec v = load_some(x, n);
    store_narrow(y, v, n);
    add_some(sums, v, n);
}

static void narrow_and_sum(int64_t rows, int64_t columns, const float *x, uint16_t *y, float *sums)
{
    for (int64_t r = 0; r < rows; r++, x += columns, y += columns) {
        int64_t j = 0;
        for (; j + LANES <= columns; j += LANES) narrow_and_sum_some(x + j, y + j, sums + j, LANES);
        if (j < columns) narrow_and_sum_some(x + j, y + j, sums + j, columns - j);
    }
}

static void narrow_sums(int64_t rows, int64_t columns, const uint16_t *x, float *sums)
{
    for (int64_t r = 0; r < rows; r++, x += columns) {
        int64_t j = 0;
        for (; j + LANES <= columns; j += LANES) add_some(sums + j, load_narrow(x + j, LANES), LANES);
        if (j < columns) add_some(sums + j, load_narrow(x + j, columns - j), columns - j);
    }
}

INLINE void slopes_back_some(const uint16_t *slopes, uint16_t *dy, float *sums, int64_t n)
{
    const vec v = load_narrow(dy, n) * load_narrow(slopes, n);
    store_narrow(dy, v, n);
    add_some(sums, v, n);
}

static void narrow_slopes_back(int64_t rows, int64_t columns, const uint16_t *slopes, uint16_t *dy, float *sums)
{
    for (int64_t r = 0; r < rows; r++, slopes += columns, dy += columns) {
        int64_t j = 0;
        for (; j + LANES <= columns; j += LANES) slopes_back_some(slopes + j, dy + j, sums + j, LANES);
        if (j < columns) slopes_back_some(slopes + j, dy + j, sums + j, columns - j);
    }
}

#endif
