/* Numbers of Q, K and V as pairs of bf16: rows of bf16 as they stand, bytes made bf16, which holds them. Built for one
 * instruction set, like simd.h. */
#ifndef KERNELS_DECODE_NUMBERS_H
#define KERNELS_DECODE_NUMBERS_H

#include "kernels/decode_rows.h"
#include "kernels/simd_pairs.h"

#define NUMBERS (2 * SIMD_LANES) /* in a vector */

/* Numbers c .. of a row of so many; all NUMBERS are there where whole. */
ROW_INLINE pairs load_numbers(const uint16_t *row, int64_t c, const bool whole, int64_t columns)
{
    return whole ? pairs_load(row + c) : pairs_load_n(row + c, (int)(columns - c < NUMBERS ? columns - c : NUMBERS));
}

ROW_INLINE vec load_some_bytes(const int8_t *row, int64_t c, const bool whole, int64_t columns)
{
    return load_bytes(row + c, whole ? SIMD_LANES : part_at(columns, c));
}

/* Of a row of K: bytes are paired with those SIMD_LANES behind them, which takes least. */
ROW_INLINE pairs key_numbers(const attn_dtype type, const void *row, int64_t c, const bool whole, int64_t columns)
{
    if (type == ATTN_DTYPE_BF16) return load_numbers(row, c, whole, columns);
    return pairs_exact(load_some_bytes(row, c, whole, columns), load_some_bytes(row, c + SIMD_LANES, whole, columns));
}

/* Of a query, paired in the same way. */
ROW_INLINE pairs query_numbers(const attn_dtype type, const uint16_t *row, int64_t c, const bool whole, int64_t columns)
{
    const pairs q = load_numbers(row, c, whole, columns);
    return type == ATTN_DTYPE_BF16 ? q : pairs_halves(q);
}

/* Whether whole loads of V's columns come in the order of pairs_zip. */
ROW_INLINE bool zipped(const attn_dtype type)
{
    return type == ATTN_DTYPE_BF16;
}

/* Of two rows of V, either NULL for zeros, the first's the firsts of pairs and the second's the seconds: half of the
 * columns, the other half in *high. */
ROW_INLINE pairs value_numbers(const attn_dtype type, const void *first, const void *second, int64_t c,
                               const bool whole, int64_t columns, pairs *high)
{
    if (type == ATTN_DTYPE_BF16) {
        const pairs a = first ? load_numbers(first, c, whole, columns) : pairs_set1(0);
        const pairs b = second ? load_numbers(second, c, whole, columns) : pairs_set1(0);
        return whole ? pairs_zip(a, b, high) : pairs_weave(a, b, high);
    }
    vec a[2], b[2];
    for (int i = 0; i < 2; i++) {
        a[i] = first ? load_some_bytes(first, c + i * SIMD_LANES, whole, columns) : vec_zero();
        b[i] = second ? load_some_bytes(second, c + i * SIMD_LANES, whole, columns) : vec_zero();
    }
    *high = pairs_exact(a[1], b[1]);
    return pairs_exact(a[0], b[0]);
}

#endif
