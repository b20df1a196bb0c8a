/* A vector of floats as wide as the instruction set this file is compiled for, in the compiler's vector extension, and
 * the few functions of it that the C library has no vector form of. */
#ifndef TENSOR_VECTOR_H
#define TENSOR_VECTOR_H

#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t veci __attribute__((vector_size(4 * LANES)));
typedef uint32_t vecu __attribute__((vector_size(4 * LANES)));
#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

/* The first n < LANES floats, zeros after them. */
INLINE vec load_part(const float *p, int64_t n)
{
    vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
}

INLINE void store_part(float *p, vec v, int64_t n)
{
    memcpy(p, &v, (size_t)n * sizeof(float));
}

INLINE vec all(float x)
{
    return (vec){0} + x;
}

INLINE vec bits_to_vec(veci x)
{
    vec v;
    memcpy(&v, &x, sizeof v);
    return v;
}

INLINE veci vec_to_bits(vec x)
{
    veci v;
    memcpy(&v, &x, sizeof v);
    return v;
}

/* yes where the mask is -1, no where it is 0 */
INLINE vec choose(veci mask, vec yes, vec no)
{
    return bits_to_vec((vec_to_bits(yes) & mask) | (vec_to_bits(no) & ~mask));
}

INLINE vec largest(vec a, vec b)
{
    return choose(a > b, a, b);
}

/* a * b + c, fused where the instruction exists. */
INLINE vec multiply_add(vec a, vec b, vec c)
{
#ifdef __FMA__
    vec r;
    for (int i = 0; i < LANES; i++) r[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return r;
#else
    return a * b + c;
#endif
}

INLINE vec square_root(vec a)
{
    vec r;
    for (int i = 0; i < LANES; i++) r[i] = __builtin_sqrtf(a[i]);
    return r;
}

/* The lanes added, pairwise. */
INLINE float lanes_sum(vec v)
{
    float x[LANES];
    memcpy(x, &v, sizeof x);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) x[i] += x[i + half];
    return x[0];
}

INLINE float lanes_largest(vec v)
{
    float x[LANES];
    memcpy(x, &v, sizeof x);
    for (int i = 1; i < LANES; i++) x[0] = x[i] > x[0] ? x[i] : x[0];
    return x[0];
}

/* Adding it rounds to the nearest integer and leaves that in the low bits. */
#define ROUNDING 0x1.8p23f

/* 2^n of n + ROUNDING: the low bits become the exponent. Unsigned, since an n out of range, whose power is not used,
 * may carry over. */
INLINE vec power_of_two(vec shifted)
{
    return bits_to_vec((veci)(((vecu)vec_to_bits(shifted) << 23) + 0x3f800000u));
}

/* e^x to 2 ulp for x <= 88, zero below -75 (where it is under 3e-33, so that later factors make no subnormals), NaN of
 * NaN. x = n ln 2 + r with |r| <= ln 2 / 2, e^r by its Taylor series: the first term left out, r^8 / 8!, is under 6e-9.
 */
INLINE vec exponential(vec x)
{
    const vec clamped = choose(x > all(88.0f), all(88.0f), x); /* NaN stays, and what is below -75 is replaced */
    const vec shifted = multiply_add(clamped, all(0x1.715476p0f), all(ROUNDING)), n = shifted - ROUNDING;
    vec r = multiply_add(n, all(-0x1.62e4p-1f), clamped); /* ln 2 in two parts, the first exact in n's products */
    r = multiply_add(n, all(-0x1.7f7d1cp-20f), r);
    vec e = multiply_add(all(1.0f / 5040), r, all(1.0f / 720));
    e = multiply_add(e, r, all(1.0f / 120));
    e = multiply_add(e, r, all(1.0f / 24));
    e = multiply_add(e, r, all(1.0f / 6));
    e = multiply_add(e, r, all(0.5f));
    e = multiply_add(e, r, all(1.0f));
    e = multiply_add(e, r, all(1.0f));
    return choose(x < all(-75.0f), all(0.0f), e * power_of_two(shifted));
}

/* 1 / (1 + e^-x), absolute error under 1e-7. */
INLINE vec sigmoid(vec x)
{
    return 1.0f / (1.0f + exponential(-x));
}

/* tanh(x) within 3 units in the last place, never beyond 1, NaN of NaN: the formula and coefficients of vec_tanh
 * (kernels/simd_math.h), with a = min(|x|, 10) as (e^2a - 1) / (e^2a + 1), whose numerator is not taken as a
 * difference: with 2a = n ln 2 + r it is 2^n (e^r - 1) + (2^n - 1). */
INLINE vec hyperbolic_tangent(vec x)
{
    const veci sign = vec_to_bits(x) & INT32_MIN;
    const vec size = bits_to_vec(vec_to_bits(x) & INT32_MAX),
              twice = 2.0f * choose(size > all(10.0f), all(10.0f), size);
    const vec shifted = multiply_add(twice, all(0x1.715476p+0f), all(ROUNDING)), n = shifted - ROUNDING;
    vec r = multiply_add(n, all(-0x1.62ep-1f), twice); /* ln 2 in two parts, the first exact in n's products */
    r = multiply_add(n, all(-0x1.0bfbe8p-15f), r);
    vec p = multiply_add(all(0x1.6a23d0p-10f), r, all(0x1.123a20p-7f));
    p = multiply_add(p, r, all(0x1.5558f2p-5f));
    p = multiply_add(p, r, all(0x1.555492p-3f));
    p = multiply_add(p, r, all(0x1.fffffcp-2f));
    p = multiply_add(p * r, r, r);
    const vec power = power_of_two(shifted), above = multiply_add(p, power, power - 1.0f);
    return bits_to_vec(vec_to_bits(above / (above + 2.0f)) | sign);
}

/* e^(-x^2 / 2), of which the normal distribution's density and its cumulative function are both made. */
INLINE vec normal_bell(vec x)
{
    const vec z = x * 0.70710678118654752f;
    return exponential(-z * z);
}

/* 1 / x within 2^-14 of it. */
INLINE vec near_inverse(vec x)
{
#if defined(__AVX512F__)
    return (vec)_mm512_rcp14_ps((__m512)x);
#else
    return 1.0f / x;
#endif
}

/* normal_bell within 2^-14 of it, for what will be rounded to bf16: e^r by four terms, the next one under 2^-14. */
INLINE vec near_normal_bell(vec x)
{
    const vec power = x * x * -0.5f;
    const vec shifted = multiply_add(power, all(0x1.715476p0f), all(ROUNDING)), n = shifted - ROUNDING;
    const vec r = multiply_add(n, all(-0x1.62e43p-1f), power);
    vec e = multiply_add(all(1.0f / 24), r, all(1.0f / 6));
    e = multiply_add(e, r, all(0.5f));
    e = multiply_add(e, r, all(1.0f));
    e = multiply_add(e, r, all(1.0f));
    return choose(power < all(-75.0f), all(0.0f), e * power_of_two(shifted));
}

/* Phi(x), the normal distribution's cumulative function, from x and normal_bell(x): Abramowitz and Stegun 7.1.26 for
 * erf, absolute error 1.5e-7. */
INLINE vec cumulative_by(vec x, vec bell, vec (*inverse)(vec))
{
    const vec z = bits_to_vec(vec_to_bits(x) & INT32_MAX) * 0.70710678118654752f;
    vec t = inverse(multiply_add(all(0.3275911f), z, all(1.0f)));
    vec p = multiply_add(all(1.061405429f), t, all(-1.453152027f));
    p = multiply_add(p, t, all(1.421413741f));
    p = multiply_add(p, t, all(-0.284496736f));
    p = multiply_add(p, t, all(0.254829592f));
    vec tail = 0.5f * p * t * bell;
    return choose(x < all(0.0f), tail, 1.0f - tail);
}

INLINE vec plain_inverse(vec x)
{
    return 1.0f / x;
}

INLINE vec normal_cumulative(vec x, vec bell)
{
    return cumulative_by(x, bell, plain_inverse);
}

/* The same within 2^-13 of its smaller tail. */
INLINE vec near_normal_cumulative(vec x, vec bell)
{
    return cumulative_by(x, bell, near_inverse);
}

#endif
