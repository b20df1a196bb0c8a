/* Functions of a vector, from simd.h's operations alone. */
#ifndef KERNELS_SIMD_MATH_H
#define KERNELS_SIMD_MATH_H

#include "kernels/simd.h"

#include <math.h>

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

/* tanh x within 3 units in the last place. Small |x|: an odd polynomial fitted for the least relative error on
 * [0, 0.625] (4.4e-9); elsewhere 1 - 2 / (e^2|x| + 1). */
static inline vec vec_tanh(vec x)
{
    vec a = vec_abs(x), z = vec_mul(x, x);
    vec p = vec_set1(-0.005704987328499556f);
    p = vec_fma(p, z, vec_set1(0.0206390880048275f));
    p = vec_fma(p, z, vec_set1(-0.05373971536755562f));
    p = vec_fma(p, z, vec_set1(0.13331441581249237f));
    p = vec_fma(p, z, vec_set1(-0.3333328068256378f));
    vec small = vec_fma(vec_mul(p, z), x, x);
    /* Beyond 9.02 the result rounds to 1; the bound keeps e^2|x| finite. NaN passes: vec_min gives its second argument.
     */
    vec e = vec_exp(vec_min(vec_set1(20.0f), vec_add(a, a)));
    vec one = vec_set1(1.0f);
    vec large = vec_sub(one, vec_div(vec_set1(2.0f), vec_add(e, one)));
    large = vec_select(vec_less(x, vec_zero()), vec_sub(vec_zero(), large), large);
    return vec_select(vec_less(a, vec_set1(0.625f)), small, large);
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
