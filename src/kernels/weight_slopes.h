/* What a score and its weight's gradient become in backward, a vector of queries at a time: from Q K^T in p_t and V
 * dO^T in ds_t the tile's weight P .* M and the score's gradient dS; backward_tile.h gives the contract. Built for one
 * instruction set, like simd.h. */
#ifndef KERNELS_WEIGHT_SLOPES_H
#define KERNELS_WEIGHT_SLOPES_H

#include "kernels/backward_tile.h"
#include "kernels/simd_math.h"
#include "kernels/soft_cap.h"

#include <math.h>

typedef struct weight_slope {
    vec p, ds;
} weight_slope;

/* scale * Q K^T - lse, capped on the way, and the cap's slope. */
static inline vec capped_exponent(const backward_tile *t, vec product, vec minus_lse, vec *slope)
{
    const soft_cap cap = soft_cap_of(t->softcap);
    const vec bent = soft_cap_tanh(&cap, vec_mul(product, vec_set1(t->scale)));
    *slope = vec_sub(vec_set1(1), vec_mul(bent, bent));
    return vec_fma(bent, cap.cap, minus_lse);
}

/* Takes each query's dX times its distance from the key off its sum: dX 0 where masked. */
static inline void add_distances(const backward_tile *t, int64_t at, int64_t query, vec masked_dx)
{
    const int64_t key = (at - query) / BACKWARD_QUERIES;
    const vec distance = vec_add(vec_set1((float)(t->distance + query - key)), vec_steps(1));
    const vec minus = vec_with_sign(distance, vec_set1(-1)), sum = vec_load(t->distance_sums + query);
    vec_store(t->distance_sums + query, vec_fma(masked_dx, minus, sum));
}

/* The exponential is shorter where the weight will be rounded to bf16. */
static inline weight_slope differentiate(const bool rounded, const backward_tile *t, int64_t at, int64_t query)
{
    vec x = vec_load(t->p_t + at), slope = vec_set1(1), minus_lse = vec_load(t->minus_lse + query);
    vec factor = t->dropout ? vec_load(t->dropout + at) : vec_set1(1);
    if (t->function.call)
        slope = vec_load(t->slope_t + at), x = vec_add(x, minus_lse);
    else
        x = t->softcap > 0 ? capped_exponent(t, x, minus_lse, &slope) : vec_fma(x, vec_set1(t->scale), minus_lse);
    vmask masked = mask_first(0);
    if (t->modification) {
        vec change = vec_load(t->modification + at);
        masked = vec_equal(change, vec_set1(-INFINITY));
        x = vec_add(x, change);
    }
    vec p = rounded ? vec_exp2_short(vec_mul(x, vec_set1(LOG2_E))) : vec_exp(x),
        grad = vec_mul(vec_load(t->ds_t + at), factor);
    vec ds = vec_mul(p, vec_fma(grad, vec_set1(t->grad_scale), vec_load(t->offset + query)));
    if (t->distance_sums) {
        vec dx = vec_mul(p, vec_sub(grad, vec_load(t->delta + query)));
        add_distances(t, at, query, vec_select(masked, vec_zero(), dx));
    }
    if (t->cap_slope) ds = vec_mul(ds, slope);
    /* What is masked may be anything, and 0 times it NaN. */
    return (weight_slope){vec_select(masked, vec_zero(), vec_mul(p, factor)), vec_select(masked, vec_zero(), ds)};
}

/* Whether none of cap, modification, dropout, function and wanted distances is there. */
static inline bool is_plain(const backward_tile *t)
{
    return !(t->softcap > 0) && !t->modification && !t->dropout && !t->function.call && !t->distance_sums;
}

/* Q K^T in p_t becomes what the caller's function makes of the capped scores, their slopes go to slope_t. */
static inline void call_function(const backward_tile *t, int64_t vectors)
{
    const vec scale = vec_set1(t->scale), one = vec_set1(1);
    const soft_cap cap = soft_cap_of(t->softcap);
    for (int64_t n = 0; n < t->keys; n++)
        for (int64_t v = 0; v < vectors; v++) {
            int64_t at = n * BACKWARD_QUERIES + v * SIMD_LANES;
            vec x = vec_mul(vec_load(t->p_t + at), scale), slope = one;
            if (t->softcap > 0) {
                const vec bent = soft_cap_tanh(&cap, x);
                x = vec_mul(bent, cap.cap), slope = vec_sub(one, vec_mul(bent, bent));
            }
            vec_store(t->p_t + at, x);
            vec_store(t->slope_t + at, slope);
        }
    float *slopes = t->cap_slope ? t->slope_t : NULL; /* column sums and a bias's gradient know none */
    score_function_call(&t->function, 0, t->queries, 0, t->keys, t->p_t, slopes, 1, BACKWARD_QUERIES);
}

#endif
