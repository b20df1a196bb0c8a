/* Functions of a vector, from simd.h's operations alone. */
#ifndef KERNELS_SIMD_MATH_H
#define KERNELS_SIMD_MATH_H

#include "kernels/simd.h"

#include <math.h>

/* Of a power of e, that of 2. */
#define LOG2_E 0x1.715476p+0f

/* 0, step, 2 step ... */
static inline vec vec_steps(float step)
{
    static const float count[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return vec_mul(vec_set1(step), vec_load(count));
}

/* Which lanes hold one of first .. last - 1, lane l holding from + l; all within 2^20 either way, exact as floats. */
static inline vmask mask_between(int64_t from, int64_t first, int64_t last)
{
    const vec x = vec_add(vec_set1((float)from), vec_steps(1));
    return mask_and(mask_not(vec_less(x, vec_set1((float)first))), vec_less(x, vec_set1((float)last)));
}

/* Below this, e^x is taken as 0: its value would be near the smallest normal number, and subnormal ones cost hundreds
 * of cycles on some CPUs. */
#define VEC_EXP_FLUSH (-87.0f)

/* e^x for x <= 88, within 1.5 units in the last place; 0 below VEC_EXP_FLUSH, so that -inf gives 0; NaN gives NaN.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first of 12 bits so that n * part is exact; e^r by a
 * polynomial whose first two coefficients are 1, fitted for the least relative error (3.1e-9). */
static inline vec vec_exp(vec x)
{
    vec n = vec_round(vec_mul(x, vec_set1(0x1.715476p+0f)));
    vec r = vec_fma(n, vec_set1(-0x1.62ep-1f), x);
    r = vec_fma(n, vec_set1(-0x1.0bfbe8p-15f), r);
    vec p = vec_set1(0x1.6a23d0p-10f);
    p = vec_fma(p, r, vec_set1(0x1.123a20p-7f));
    p = vec_fma(p, r, vec_set1(0x1.5558f2p-5f));
    p = vec_fma(p, r, vec_set1(0x1.555492p-3f));
    p = vec_fma(p, r, vec_set1(0x1.fffffcp-2f));
    p = vec_fma(p, r, vec_set1(1.0f));
    p = vec_fma(p, r, vec_set1(1.0f));
    return vec_select(vec_less(x, vec_set1(VEC_EXP_FLUSH)), vec_zero(), vec_scale2(p, n));
}

/* Below this, 2^x is taken as 0: the smallest normal number's logarithm. */
#define VEC_EXP2_FLUSH (-126.0f)

/* 2^x for x <= 127, within a unit in the last place; 0 below VEC_EXP2_FLUSH, so that -inf gives 0; NaN gives NaN.
 *
 * x = n + f with |f| <= 1/2, both exact; 2^f by a polynomial whose first coefficient is 1, fitted for the least
 * relative error (2.0e-9). */
static inline vec vec_exp2(vec x)
{
    vec n = vec_round(x), f = vec_sub(x, n);
    vec p = vec_set1(0x1.41fbbcp-13f);
    p = vec_fma(p, f, vec_set1(0x1.5f3e54p-10f));
    p = vec_fma(p, f, vec_set1(0x1.3b2d4cp-7f));
    p = vec_fma(p, f, vec_set1(0x1.c6aee8p-5f));
    p = vec_fma(p, f, vec_set1(0x1.ebfbdcp-3f));
    p = vec_fma(p, f, vec_set1(0x1.62e430p-1f));
    p = vec_fma(p, f, vec_set1(1.0f));
    return vec_select(vec_less(x, vec_set1(VEC_EXP2_FLUSH)), vec_zero(), vec_scale2(p, n));
}

/* vec_exp2 within a relative 2.9e-6, for weights that are rounded to bf16. */
static inline vec vec_exp2_short(vec x)
{
    vec n = vec_round(x), f = vec_sub(x, n);
    vec p = vec_set1(0x1.3a02cep-7f);
    p = vec_fma(p, f, vec_set1(0x1.c9fc48p-5f));
    p = vec_fma(p, f, vec_set1(0x1.ec0378p-3f));
    p = vec_fma(p, f, vec_set1(0x1.62e12cp-1f));
    p = vec_fma(p, f, vec_set1(1.0f));
    return vec_select(vec_less(x, vec_set1(VEC_EXP2_FLUSH)), vec_zero(), vec_scale2(p, n));
}

/* tanh x within 2.5 units in the last place, never beyond 1, as (e^2x - 1) / (e^2x + 1) for |x|, whose numerator
 * is not taken as a difference: with 2x = n ln 2 + r as in vec_exp, e^2x - 1 = 2^n (e^r - 1) + (2^n - 1), and e^r - 1
 * the polynomial of vec_exp without its 1. Beyond 9.02 the result rounds to 1. NaN gives NaN. */
static inline vec vec_tanh(vec x)
{
    vec a = vec_min(vec_set1(10.0f), vec_abs(x)); /* the second argument where that is NaN */
    vec one = vec_set1(1.0f), twice = vec_add(a, a);
    vec n = vec_round(vec_mul(twice, vec_set1(0x1.715476p+0f)));
    vec r = vec_fma(n, vec_set1(-0x1.62ep-1f), twice);
    r = vec_fma(n, vec_set1(-0x1.0bfbe8p-15f), r);
    vec p = vec_set1(0x1.6a23d0p-10f);
    p = vec_fma(p, r, vec_set1(0x1.123a20p-7f));
    p = vec_fma(p, r, vec_set1(0x1.5558f2p-5f));
    p = vec_fma(p, r, vec_set1(0x1.555492p-3f));
    p = vec_fma(p, r, vec_set1(0x1.fffffcp-2f));
    p = vec_fma(vec_mul(p, r), r, r);
    vec power = vec_scale2(one, n), above = vec_fma(p, power, vec_sub(power, one));
    return vec_with_sign(vec_div(above, vec_add(above, vec_set1(2.0f))), x);
}

/* ln x for a positive normal x, within 1.6 units in the last place; -inf for 0; NaN gives NaN.
 *
 * x = m 2^e with m in sqrt(1/2) .. sqrt(2); with r = m - 1, ln m = r - r^2 / 2 + r^3 p(r), the polynomial fitted for
 * the least relative error (5.8e-9); ln 2 in two parts, as in vec_exp. */
static inline vec vec_log(vec x)
{
    vec e, m = vec_split(x, &e), one = vec_set1(1.0f);
    vmask high = vec_less(vec_set1(0x1.6a09e6p+0f), m);
    m = vec_select(high, vec_mul(m, vec_set1(0.5f)), m);
    e = vec_select(high, vec_add(e, one), e);
    vec r = vec_sub(m, one), square = vec_mul(r, r);
    vec p = vec_set1(-0x1.38b3dep-4f);
    p = vec_fma(p, r, vec_set1(0x1.055b24p-3f));
    p = vec_fma(p, r, vec_set1(-0x1.0d856ep-3f));
    p = vec_fma(p, r, vec_set1(0x1.22da28p-3f));
    p = vec_fma(p, r, vec_set1(-0x1.547242p-3f));
    p = vec_fma(p, r, vec_set1(0x1.99a008p-3f));
    p = vec_fma(p, r, vec_set1(-0x1.000228p-2f));
    p = vec_fma(p, r, vec_set1(0x1.555554p-2f));
    vec small = vec_fma(vec_mul(square, r), p, vec_mul(square, vec_set1(-0.5f)));
    small = vec_fma(e, vec_set1(0x1.0bfbe8p-15f), small);
    vec y = vec_add(vec_fma(e, vec_set1(0x1.62ep-1f), r), small);
    y = vec_select(vec_equal(x, vec_zero()), vec_set1(-INFINITY), y);
    return vec_select(vec_equal(x, x), y, x);
}

#endif
