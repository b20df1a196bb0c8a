/* The soft cap of scores, c tanh(x / c); built for one instruction set, like simd.h. */
#ifndef KERNELS_SOFT_CAP_H
#define KERNELS_SOFT_CAP_H

#include "kernels/simd_math.h"

#include <float.h>

typedef struct soft_cap {
    vec cap;
    vec powers; /* 2 log2 e / c: e^(2x / c) is 2 to the power of x times this */
} soft_cap;

/* Of a cap above 0; a factor that is finite lets a score of 0 stay 0 whatever the cap. */
static inline soft_cap soft_cap_of(float cap)
{
    const double powers = 2 * 0x1.71547652b82fep+0 / (double)cap;
    return (soft_cap){vec_set1(cap), vec_set1(powers < FLT_MAX ? (float)powers : FLT_MAX)};
}

/* tanh(x / c) within 3.5 units in the last place, never beyond 1, as (2^y - 1) / (2^y + 1), whose numerator is not
 * taken as a difference: with y = n + f as in vec_exp2, 2^y - 1 = 2^n (2^f - 1) + (2^n - 1). Where y is beyond 26
 * either way the result rounds to 1 or -1. vec_tanh of a quotient takes a second division and a longer reduction. NaN
 * gives NaN.
 */
static inline vec soft_cap_tanh(const soft_cap *c, vec x)
{
    const vec one = vec_set1(1), y = vec_mul(x, c->powers);
    const vec held = vec_max(vec_set1(-30), vec_min(vec_set1(30), y)); /* the second argument where that is NaN */
    const vec n = vec_round(held), f = vec_sub(held, n);
    vec p = vec_set1(0x1.41fbbcp-13f);
    p = vec_fma(p, f, vec_set1(0x1.5f3e54p-10f));
    p = vec_fma(p, f, vec_set1(0x1.3b2d4cp-7f));
    p = vec_fma(p, f, vec_set1(0x1.c6aee8p-5f));
    p = vec_fma(p, f, vec_set1(0x1.ebfbdcp-3f));
    p = vec_fma(p, f, vec_set1(0x1.62e430p-1f));
    const vec power = vec_scale2(one, n), above = vec_fma(p, vec_mul(f, power), vec_sub(power, one));
    return vec_div(above, vec_add(above, vec_set1(2)));
}

static inline vec soft_capped(const soft_cap *c, vec x)
{
    return vec_mul(c->cap, soft_cap_tanh(c, x));
}

#endif
