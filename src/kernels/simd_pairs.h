/* Pairs of bf16 in the lanes of a vector, the first of each pair in the low half of 32 bits, for the instruction sets
 * that multiply them; beside simd.h. The scalar body is the twin that the others are tested against.
 *
 *   pairs_load, pairs_store    unaligned, all lanes
 *   pairs_load_n(p, n)         the first n numbers; the others read as 0 and are not touched
 *   pairs_join(p, q, n)        of the first n lanes, p[i] as the first and q[i] as the second of a pair; the others 0
 *   pairs_set1(x)
 *   pairs_dot(a, b, c)         c + a.second * b.second, rounded, + a.first * b.first, rounded again. Instructions take
 *                              subnormal numbers, in and out, as 0
 *   pairs_round(x, y)          each x as the first, each y as the second of a pair, rounded to nearest, ties to even
 *   pairs_narrow(x, y)         all of x, then all of y, likewise: number i of twice as many is that of lane i
 *   pairs_weave(a, b, &h)      of two rows of numbers pairs, a's the firsts, b's the seconds: those of the numbers in
 *                              the lower half of the lanes; those of the upper half in h
 *   pairs_zip(a, b, &h)        likewise, but in the order of columns that takes least to make: half of them, the others
 *                              in h
 *   pairs_unzip(&x, &y)        floats that stand in that order, to that of the columns
 *   pairs_halves(a)            of a row of numbers: the first half's the firsts, the other half's the seconds
 *   pairs_keep(m, n, a)        a's firsts where m, its seconds where n, and 0 elsewhere
 *   pairs_floats(a)            the same bits as floats, to be moved alone */
#ifndef KERNELS_SIMD_PAIRS_H
#define KERNELS_SIMD_PAIRS_H

#include "kernels/simd.h"

#if defined(KERNEL_AVX512BF16) || defined(KERNEL_AMX)
typedef __m512i pairs;

static inline pairs pairs_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
static inline void pairs_store(void *p, pairs a)
{
    _mm512_storeu_si512(p, a);
}
static inline pairs pairs_load_n(const uint16_t *p, int n)
{
    return _mm512_maskz_loadu_epi16((__mmask32)(n >= 32 ? 0xffffffffu : n <= 0 ? 0 : (1u << n) - 1), p);
}
static inline pairs pairs_join(const uint16_t *p, const uint16_t *q, int n)
{
    const vmask some = mask_first(n);
    __m512i first = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, p));
    __m512i second = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, q));
    return _mm512_or_si512(first, _mm512_slli_epi32(second, 16));
}
static inline pairs pairs_set1(uint32_t x)
{
    return _mm512_set1_epi32((int)x);
}
static inline vec pairs_dot(pairs a, pairs b, vec c)
{
    return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
}
static inline pairs pairs_halves(pairs a)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, a);
}
static inline pairs pairs_round(vec x, vec y)
{
    return pairs_halves((__m512i)_mm512_cvtne2ps_pbh(y, x));
}
static inline pairs pairs_narrow(vec x, vec y)
{
    return (__m512i)_mm512_cvtne2ps_pbh(y, x);
}
static inline pairs pairs_weave(pairs a, pairs b, pairs *high)
{
    const __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                                           37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    *high = _mm512_permutex2var_epi16(a, _mm512_add_epi16(order, _mm512_set1_epi16(16)), b);
    return _mm512_permutex2var_epi16(a, order, b);
}
static inline pairs pairs_zip(pairs a, pairs b, pairs *high)
{
    *high = _mm512_unpackhi_epi16(a, b);
    return _mm512_unpacklo_epi16(a, b);
}
static inline void pairs_unzip(vec *x, vec *y)
{
    const __m512i first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    const __m512d low = _mm512_castps_pd(*x), high = _mm512_castps_pd(*y);
    *x = _mm512_castpd_ps(_mm512_permutex2var_pd(low, first, high));
    *y = _mm512_castpd_ps(_mm512_permutex2var_pd(low, second, high));
}
static inline pairs pairs_keep(vmask m, vmask n, pairs a)
{
    pairs first = _mm512_maskz_set1_epi32(m, 0xffff), second = _mm512_maskz_set1_epi32(n, (int)0xffff0000u);
    return _mm512_and_si512(a, _mm512_or_si512(first, second));
}
static inline vec pairs_floats(pairs a)
{
    return _mm512_castsi512_ps(a);
}
#elif defined(KERNEL_SCALAR)
typedef uint32_t pairs;

static inline pairs pairs_load(const void *p)
{
    pairs a;
    memcpy(&a, p, sizeof a);
    return a;
}
static inline void pairs_store(void *p, pairs a)
{
    memcpy(p, &a, sizeof a);
}
static inline pairs pairs_load_n(const uint16_t *p, int n)
{
    pairs a = 0;
    memcpy(&a, p, n > 1 ? sizeof a : n > 0 ? sizeof *p : 0);
    return a; /* little-endian */
}
static inline pairs pairs_join(const uint16_t *p, const uint16_t *q, int n)
{
    return n > 0 ? *p | (uint32_t)*q << 16 : 0;
}
static inline pairs pairs_set1(uint32_t x)
{
    return x;
}
static inline vec pairs_dot(pairs a, pairs b, vec c)
{
    c += float_of_bits(a & 0xffff0000u) * float_of_bits(b & 0xffff0000u);
    return c + float_of_bits(a << 16) * float_of_bits(b << 16);
}
static inline pairs pairs_round(vec x, vec y)
{
    return bf16_of_float(x) | (uint32_t)bf16_of_float(y) << 16;
}
static inline pairs pairs_narrow(vec x, vec y)
{
    return pairs_round(x, y);
}
static inline pairs pairs_halves(pairs a)
{
    return a;
}
static inline pairs pairs_weave(pairs a, pairs b, pairs *high)
{
    *high = a >> 16 | (b & 0xffff0000u);
    return (a & 0xffffu) | b << 16;
}
static inline pairs pairs_zip(pairs a, pairs b, pairs *high)
{
    return pairs_weave(a, b, high);
}
static inline void pairs_unzip(vec *x, vec *y)
{
    (void)x, (void)y;
}
static inline pairs pairs_keep(vmask m, vmask n, pairs a)
{
    return a & ((m ? 0xffffu : 0) | (n ? 0xffff0000u : 0));
}
static inline vec pairs_floats(pairs a)
{
    return float_of_bits(a);
}
#else
#error "a body of pairs is built with KERNEL_SCALAR, KERNEL_AVX512BF16 or KERNEL_AMX"
#endif

#endif
