/* Sums of products of bytes, for the instruction sets that multiply four pairs of them at once (VPDPBUSD); beside
 * simd.h. Integers, and so exact: the plain C of the scalar body, the twin, gives the same bits.
 *
 * What multiplies them, queries or weights, is an integer of sixteen bits in two bytes, 256 * high + low, both signed.
 * The instruction takes an unsigned factor and a signed one: bytes of K and V are given as 128 more than they are, and
 * whoever asks takes 128 times the sum of the other factors off. Sums are those of int32, modulo 2^32. */
#ifndef KERNELS_SIMD_BYTES_H
#define KERNELS_SIMD_BYTES_H

#include "kernels/simd.h"

#include <stdint.h>
#include <string.h>

#define BYTES_MOST 32639 /* of sixteen bits in two signed bytes: 127 * 256 + 127 */
#define BYTES_ROWS 4     /* of queries, side by side */
#define BYTES_KEYS 4     /* likewise of keys */
#define BYTES_CHUNK 16   /* dimensions of K and Q that are multiplied at once */
#define BYTES_COLUMNS 64 /* likewise columns of V */
#define BYTES_SOME 16    /* numbers that are split at once */

/* Rows of weights: each one's high bytes `row` behind the last one's, its low ones `low` behind the high. */
typedef struct weight_bytes {
    const int8_t *high;
    int64_t row, low;
} weight_bytes;

/* Queries of four rows in the order of the products: [chunk][high, low][row][dimension]. */
typedef int8_t query_bytes[2][BYTES_ROWS][BYTES_CHUNK];

#if defined(KERNEL_AVX512BF16) || defined(KERNEL_AMX)
/* Integers of sixteen bits as high and low bytes. */
static inline void bytes_split(vec x, int8_t *high, int8_t *low)
{
    const __m512i whole = _mm512_cvtps_epi32(x);
    const __m512i upper = _mm512_srai_epi32(_mm512_add_epi32(whole, _mm512_set1_epi32(128)), 8);
    _mm_storeu_si128((__m128i *)high, _mm512_cvtepi32_epi8(upper));
    _mm_storeu_si128((__m128i *)low, _mm512_cvtepi32_epi8(whole)); /* the lowest eight bits are those of low */
}

/* Sixteen bytes for each of four rows, 128 more; of a row's last chunk the first n. */
INLINE __m512i bytes_chunk(const int8_t *row, int n)
{
    __m128i some = n == BYTES_CHUNK ? _mm_loadu_si128((const __m128i *)row)
                                    : _mm_maskz_loadu_epi8((__mmask16)((1u << n) - 1), row);
    return _mm512_xor_si512(_mm512_broadcast_i32x4(some), _mm512_set1_epi8(-128));
}

/* Dimensions d .. of four keys, n of them, with those of four rows of queries; a lane is a quarter of a row's sum. */
INLINE void bytes_multiply(const query_bytes *q, const void *const *k, const void *const *next, int64_t d, int n,
                           __m512i *high, __m512i *low)
{
    const __m512i q_high = _mm512_loadu_si512(q[d / BYTES_CHUNK][0]), q_low = _mm512_loadu_si512(q[d / BYTES_CHUNK][1]);
#pragma GCC unroll 4
    for (int i = 0; i < BYTES_KEYS; i++) {
        const __m512i key = bytes_chunk((const int8_t *)k[i] + d, n);
        if (next && d % 64 == 0) __builtin_prefetch((const char *)next[i] + d, 0, 3);
        high[i] = _mm512_dpbusd_epi32(high[i], key, q_high);
        low[i] = _mm512_dpbusd_epi32(low[i], key, q_low);
    }
}

INLINE __m512i bytes_halves(__m512i a, __m512i b)
{
    const __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd)));
}

/* scores[row * step + key] of four rows and keys: factors[row] * (the sum of their products - 128 sums[row]). unrolled:
 * dimensions of all, a constant. next: rows wanted later, or NULL. */
INLINE void bytes_scores(const query_bytes *q, const int32_t *sums, const float *factors, const void *const *k,
                         const void *const *next, const int unrolled, int64_t D, int rows, float *scores, int64_t step)
{
    __m512i high[BYTES_KEYS], low[BYTES_KEYS];
#pragma GCC unroll 4
    for (int i = 0; i < BYTES_KEYS; i++) high[i] = low[i] = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int64_t d = 0; d < unrolled; d += BYTES_CHUNK) bytes_multiply(q, k, next, d, BYTES_CHUNK, high, low);
    for (int64_t d = unrolled; d < D; d += BYTES_CHUNK)
        bytes_multiply(q, k, next, d, D - d < BYTES_CHUNK ? (int)(D - d) : BYTES_CHUNK, high, low);
#pragma GCC unroll 4
    for (int i = 0; i < BYTES_KEYS; i++) low[i] = _mm512_add_epi32(_mm512_slli_epi32(high[i], 8), low[i]);
    __m512i all = bytes_halves(bytes_halves(low[0], low[1]), bytes_halves(low[2], low[3]));
    const __m512i row = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i more = _mm512_permutexvar_epi32(row, _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)sums)));
    const vec by = _mm512_permutexvar_ps(row, _mm512_castps128_ps512(_mm_loadu_ps(factors)));
    all = _mm512_sub_epi32(all, _mm512_slli_epi32(more, 7));
    const vec products = _mm512_mul_ps(by, _mm512_cvtepi32_ps(all));
    _mm_storeu_ps(scores, _mm512_castps512_ps128(products));
    if (rows > 1) _mm_storeu_ps(scores + step, _mm512_extractf32x4_ps(products, 1));
    if (rows > 2) _mm_storeu_ps(scores + 2 * step, _mm512_extractf32x4_ps(products, 2));
    if (rows > 3) _mm_storeu_ps(scores + 3 * step, _mm512_extractf32x4_ps(products, 3));
}

/* Of four rows of V, columns to columns, 128 more: half of those of 64, in two vectors whose lanes hold four keys'
 * bytes of columns 16 l + 4 j + i, l a quarter, i a lane of it, j the vector, of high ones two more. */
INLINE void bytes_weave(const __m512i *v, const bool upper, __m512i *columns)
{
    const __m512i a = upper ? _mm512_unpackhi_epi8(v[0], v[1]) : _mm512_unpacklo_epi8(v[0], v[1]);
    const __m512i b = upper ? _mm512_unpackhi_epi8(v[2], v[3]) : _mm512_unpacklo_epi8(v[2], v[3]);
    columns[0] = _mm512_xor_si512(_mm512_unpacklo_epi16(a, b), _mm512_set1_epi8(-128));
    columns[1] = _mm512_xor_si512(_mm512_unpackhi_epi16(a, b), _mm512_set1_epi8(-128));
}

/* Four bytes of weights for all lanes. */
INLINE __m512i bytes_four(const int8_t *weights)
{
    int32_t four;
    memcpy(&four, weights, sizeof four);
    return _mm512_set1_epi32(four);
}

/* sums[row][column], of so many columns up to 64, in the order of bytes_weave, get the products of so many weights, a
 * multiple of four, and of V's rows. next: rows wanted later, or NULL. */
INLINE void bytes_add(const void *const *v, const void *const *next, int64_t c, const int part, const int rows,
                      int64_t keys, weight_bytes w, int32_t *const *sums)
{
    const __mmask64 some = part < BYTES_COLUMNS ? ((__mmask64)1 << part) - 1 : ~(__mmask64)0;
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m512i high[BYTES_ROWS][2], low[BYTES_ROWS][2];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int j = 0; j < 2; j++) high[r][j] = low[r][j] = _mm512_setzero_si512();
        for (int64_t n = 0; n < keys; n += BYTES_KEYS) {
            __m512i row[BYTES_KEYS], value[2];
#pragma GCC unroll 4
            for (int i = 0; i < BYTES_KEYS; i++) {
                const int8_t *at = (const int8_t *)v[n + i] + c;
                row[i] = part < BYTES_COLUMNS ? _mm512_maskz_loadu_epi8(some, at) : _mm512_loadu_si512(at);
            }
            if (next) {
                __builtin_prefetch((const char *)next[n + 2 * half] + c, 0, 3);
                __builtin_prefetch((const char *)next[n + 2 * half + 1] + c, 0, 3);
            }
            bytes_weave(row, half, value);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                const int8_t *at = w.high + r * w.row + n;
                const __m512i upper = bytes_four(at), lower = bytes_four(at + w.low);
#pragma GCC unroll 2
                for (int j = 0; j < 2; j++) {
                    high[r][j] = _mm512_dpbusd_epi32(high[r][j], value[j], upper);
                    low[r][j] = _mm512_dpbusd_epi32(low[r][j], value[j], lower);
                }
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int j = 0; j < 2; j++) {
                int32_t *sum = sums[r] + c + 16 * (2 * half + j);
                const __m512i more = _mm512_add_epi32(_mm512_slli_epi32(high[r][j], 8), low[r][j]);
                _mm512_storeu_si512(sum, _mm512_add_epi32(_mm512_loadu_si512(sum), more));
            }
    }
}

/* factor * (sum - 128 weights) of 64 columns, in their own order; `part` of them are there. */
static inline void bytes_finish(const int32_t *sums, int32_t weights, float factor, int part, float *o)
{
    const __m512i off = _mm512_slli_epi32(_mm512_set1_epi32(weights), 7);
    __m512i x[4], pair[4];
    for (int j = 0; j < 4; j++) x[j] = _mm512_sub_epi32(_mm512_loadu_si512(sums + 16 * j), off);
    for (int j = 0; j < 2; j++) {
        pair[j] = _mm512_shuffle_i32x4(x[2 * j], x[2 * j + 1], 0x44);     /* quarters 0 and 1 of both */
        pair[2 + j] = _mm512_shuffle_i32x4(x[2 * j], x[2 * j + 1], 0xee); /* 2 and 3 */
    }
    for (int l = 0; l < 4; l++) {
        const __m512i quarter = l % 2 ? _mm512_shuffle_i32x4(pair[l / 2 * 2], pair[l / 2 * 2 + 1], 0xdd)
                                      : _mm512_shuffle_i32x4(pair[l / 2 * 2], pair[l / 2 * 2 + 1], 0x88);
        vec_store_n(o + 16 * l, _mm512_mul_ps(_mm512_set1_ps(factor), _mm512_cvtepi32_ps(quarter)), part - 16 * l);
    }
}
#elif defined(KERNEL_SCALAR)
static inline void bytes_split(vec x, int8_t *high, int8_t *low)
{
    const int whole = (int)x, upper = (whole + 128) >> 8;
    *high = (int8_t)upper;
    *low = (int8_t)(whole - 256 * upper);
}

INLINE void bytes_scores(const query_bytes *q, const int32_t *sums, const float *factors, const void *const *k,
                         const void *const *next, const int unrolled, int64_t D, int rows, float *scores, int64_t step)
{
    (void)next, (void)unrolled;
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < BYTES_KEYS; i++) {
            int64_t sum = -128 * (int64_t)sums[r];
            for (int64_t d = 0; d < D; d++) {
                const query_bytes *some = q + d / BYTES_CHUNK;
                const int query = 256 * (*some)[0][r][d % BYTES_CHUNK] + (*some)[1][r][d % BYTES_CHUNK];
                sum += query * (((const int8_t *)k[i])[d] + 128);
            }
            scores[r * step + i] = factors[r] * (float)(int32_t)sum;
        }
}

INLINE void bytes_add(const void *const *v, const void *const *next, int64_t c, const int part, const int rows,
                      int64_t keys, weight_bytes w, int32_t *const *sums)
{
    (void)next;
    for (int r = 0; r < rows; r++)
        for (int64_t n = 0; n < keys; n++) {
            const int weight = 256 * w.high[r * w.row + n] + w.high[r * w.row + w.low + n];
            for (int i = 0; i < part; i++) {
                const uint32_t product = (uint32_t)(weight * (((const int8_t *)v[n])[c + i] + 128));
                sums[r][c + i] = (int32_t)((uint32_t)sums[r][c + i] + product);
            }
        }
}

static inline void bytes_finish(const int32_t *sums, int32_t weights, float factor, int part, float *o)
{
    for (int i = 0; i < part; i++) o[i] = factor * (float)(int32_t)((uint32_t)sums[i] - 128 * (uint32_t)weights);
}
#else
#error "a body of bytes is built with KERNEL_SCALAR, KERNEL_AVX512BF16 or KERNEL_AMX"
#endif

#endif
