/* The weights and scores' gradients of weight_slopes.h rounded to bf16, for products of pairs or of tiles of them, or
 * kept as they are, for the bias's gradient. Built for one instruction set, like simd.h. */
#ifndef KERNELS_ROUNDED_SLOPES_H
#define KERNELS_ROUNDED_SLOPES_H

#include "kernels/simd_pairs.h"
#include "kernels/simd_product.h"
#include "kernels/weight_slopes.h"

INLINE weight_slope differentiate_plain(const backward_tile *t, int64_t at, int64_t query)
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

/* Both keys key and key + 1, unless that is not there, at queries query .. query + 2 * SIMD_LANES - 1, unless there is
 * but one vector of them. */
INLINE void round_square(const bool plain, const bool joined, const backward_tile *t, int64_t key, bool two_keys,
                         int64_t query, bool two_vectors)
{
    weight_slope x[2][2];
    for (int r = 0; r < 2; r++)
        for (int v = 0; v < 2; v++) {
            const int64_t q = query + v * SIMD_LANES, at = (key + r) * BACKWARD_QUERIES + q;
            if ((r && !two_keys) || (v && !two_vectors))
                x[r][v] = (weight_slope){vec_zero(), vec_zero()};
            else
                x[r][v] = plain ? differentiate_plain(t, at, q) : differentiate_options(t, at, q);
        }
    pairs ds[2], high;
    for (int r = 0; r < 1 + two_keys; r++) {
        const int64_t at = (key + r) * BACKWARD_QUERIES + query;
        pairs_store(t->p_bf16 + at, pairs_narrow(x[r][0].p, x[r][1].p));
        ds[r] = pairs_narrow(x[r][0].ds, x[r][1].ds);
        pairs_store(t->ds_bf16 + at, ds[r]);
    }
    if (!joined) return;
    if (!two_keys) ds[1] = pairs_set1(0);
    uint32_t *to = t->ds_pairs + key / 2 * BACKWARD_QUERIES + query;
    pairs_store(to, pairs_weave(ds[0], ds[1], &high));
    pairs_store(to + SIMD_LANES, high);
}

INLINE void round_rows(const bool plain, const bool joined, const backward_tile *t, int64_t key, int64_t rows,
                       int64_t query, int64_t vectors)
{
    for (int64_t r = 0; r < rows; r += 2)
        for (int64_t v = 0; v < vectors; v += 2) {
            const bool two_keys = r + 1 < rows, two_vectors = v + 1 < vectors;
            if (two_keys && two_vectors)
                round_square(plain, joined, t, key + r, true, query + v * SIMD_LANES, true);
            else
                round_square(plain, joined, t, key + r, two_keys, query + v * SIMD_LANES, two_vectors);
        }
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

/* To weights and gradients, rounded where p_bf16 is, the gradients by pairs of keys too where `joined`. key is even,
 * and so is the number of vectors before query. */
static void differentiate_rows(const bool joined, const backward_tile *t, int64_t key, int64_t rows, int64_t query,
                               int64_t vectors)
{
    if (!t->p_bf16)
        keep_rows(t, key, rows, query, vectors);
    else if (is_plain(t))
        round_rows(true, joined, t, key, rows, query, vectors);
    else
        round_rows(false, joined, t, key, rows, query, vectors);
}

#endif
