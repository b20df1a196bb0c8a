/* The weights and scores' gradients of weight_slopes.h rounded to bf16, for products of pairs or of tiles of them, or
 * kept as they are, for the bias's gradient. Built for one instruction set, like simd.h. */
#ifndef KERNELS_ROUNDED_SLOPES_H
#define KERNELS_ROUNDED_SLOPES_H

#include "kernels/simd_pairs.h"
#include "kernels/simd_product.h"
#include "kernels/weight_slopes.h"

PRODUCT_INLINE weight_slope differentiate_plain(const backward_tile *t, int64_t at, int64_t query)
{
    const vec x = vec_fma(vec_load(t->p_t + at), vec_set1(t->scale), vec_load(t->minus_lse + query));
    const vec p = vec_exp2_short(vec_mul(x, vec_set1(LOG2_E)));
    const vec ds = vec_fma(vec_load(t->ds_t + at), vec_set1(t->grad_scale), vec_load(t->offset + query));
    return (weight_slope){p, vec_mul(p, ds)};
}

/* The same bits where no option changes them; sums of distances, which are not rounded, want the whole exponential. A
 * call, which keeps the loops without options small. */
static weight_slope differentiate_options(const backward_tile *t, int64_t at, int64_t query)
{
    return differentiate(!t->distance_sums, t, at, query);
}

/* A key's weights and gradients at queries query .. query + 2 * SIMD_LANES - 1, unless there is but one vector of them,
 * to p_bf16 and ds_bf16; the gradients. */
PRODUCT_INLINE pairs round_key(const bool plain, const backward_tile *t, int64_t key, int64_t query, bool two_vectors)
{
    weight_slope x[2] = {{vec_zero(), vec_zero()}, {vec_zero(), vec_zero()}};
    const int64_t at = key * BACKWARD_QUERIES + query;
    for (int v = 0; v < 1 + two_vectors; v++) {
        const int64_t there = v * SIMD_LANES;
        x[v] = plain ? differentiate_plain(t, at + there, query + there)
                     : differentiate_options(t, at + there, query + there);
    }
    const pairs ds = pairs_narrow(x[0].ds, x[1].ds);
    pairs_store(t->p_bf16 + at, pairs_narrow(x[0].p, x[1].p));
    pairs_store(t->ds_bf16 + at, ds);
    return ds;
}

static inline void keep_rows(const backward_tile *t, int64_t key, int64_t rows, int64_t query, int64_t vectors)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t v = 0; v < vectors; v++) {
            const int64_t q = query + v * SIMD_LANES, at = (key + r) * BACKWARD_QUERIES + q;
            const weight_slope x = differentiate(false, t, at, q);
            vec_store(t->p_t + at, x.p);
            vec_store(t->ds_t + at, x.ds);
        }
}

#endif
