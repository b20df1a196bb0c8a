/* Backward's weights and their gradients for one tile; backward_tile.h gives the contract. */
#include "kernels/backward_tile.h"
#include "kernels/simd_math.h"
#include "kernels/simd_product.h"

#include <math.h>

extern backward_scores_kernel SIMD_NAMED(backward_scores);

/* From a vector of Q K^T of one key: P to ds_t (times the cap's slope), P .* M to p_t. */
PRODUCT_INLINE void weigh(const backward_tile *t, vec product, int64_t at, int64_t query)
{
    vec minus_lse = vec_load(t->minus_lse + query), x, slope = vec_set1(1);
    if (t->softcap > 0) {
        vec cap = vec_set1(t->softcap);
        vec bent = vec_tanh(vec_div(vec_mul(product, vec_set1(t->scale)), cap));
        x = vec_fma(bent, cap, minus_lse);
        slope = vec_sub(slope, vec_mul(bent, bent));
    } else {
        x = vec_fma(product, vec_set1(t->scale), minus_lse);
    }
    vec p;
    if (t->modification) {
        vec change = vec_load(t->modification + at);
        vmask masked = vec_equal(change, vec_set1(-INFINITY));
        p = vec_select(masked, vec_zero(), vec_exp(vec_add(x, change)));
    } else {
        p = vec_exp(x);
    }
    vec_store(t->p_t + at, t->dropout ? vec_mul(p, vec_load(t->dropout + at)) : p);
    vec_store(t->ds_t + at, t->softcap > 0 && t->cap_slope ? vec_mul(p, slope) : p);
}

/* From a vector of V dO^T of the same key: dS to ds_t. */
PRODUCT_INLINE void differentiate(const backward_tile *t, vec product, int64_t at, int64_t query)
{
    vec p = vec_load(t->ds_t + at);
    if (t->dropout) product = vec_mul(product, vec_load(t->dropout + at));
    vec ds = vec_mul(p, vec_fma(product, vec_set1(t->grad_scale), vec_load(t->offset + query)));
    /* What is masked may be anything, and 0 times it NaN. */
    if (t->modification) ds = vec_select(vec_equal(p, vec_zero()), vec_zero(), ds);
    vec_store(t->ds_t + at, ds);
}

PRODUCT_INLINE void score_tile(const int R, const int V, const backward_tile *t, int64_t key, int64_t query)
{
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) sum[r][v] = vec_zero();
    product_sum(R, V, sum,
                &(product_factors){t->k + key * t->k_row, t->k_row, 1, t->q_t + query, BACKWARD_QUERIES, t->D});
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            int64_t q = query + v * SIMD_LANES;
            weigh(t, sum[r][v], (key + r) * BACKWARD_QUERIES + q, q);
            sum[r][v] = vec_zero();
        }
    product_sum(R, V, sum,
                &(product_factors){t->v + key * t->v_row, t->v_row, 1, t->grad_o_t + query, BACKWARD_QUERIES, t->DV});
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            int64_t q = query + v * SIMD_LANES;
            differentiate(t, sum[r][v], (key + r) * BACKWARD_QUERIES + q, q);
        }
}

PRODUCT_INLINE void score_keys(const int V, const backward_tile *t, int64_t query)
{
    int64_t key = 0;
    for (; key + PRODUCT_ROWS(V) <= t->keys; key += PRODUCT_ROWS(V)) score_tile(PRODUCT_ROWS(V), V, t, key, query);
    for (; key + 4 <= t->keys; key += 4) score_tile(4, V, t, key, query);
    for (; key < t->keys; key++) score_tile(1, V, t, key, query);
}

void SIMD_NAMED(backward_scores)(const backward_tile *t)
{
    int64_t query = 0, vectors = (t->queries + SIMD_LANES - 1) / SIMD_LANES;
    for (; vectors >= PRODUCT_VECTORS; vectors -= PRODUCT_VECTORS) {
        score_keys(PRODUCT_VECTORS, t, query);
        query += PRODUCT_VECTORS * SIMD_LANES;
    }
    if (vectors == 3) score_keys(3, t, query);
    if (vectors == 2) score_keys(2, t, query);
    if (vectors == 1) score_keys(1, t, query);
}
