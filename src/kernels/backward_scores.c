/* Backward's weights and their gradients for one tile; backward_tile.h gives the contract. */
#include "kernels/additive_score.h"
#include "kernels/backward_tile.h"
#include "kernels/simd_math.h"
#include "kernels/simd_product.h"

#include <math.h>

extern backward_scores_kernel SIMD_NAMED(backward_scores);

/* scale * Q K^T - lse, capped on the way, and the cap's slope. */
PRODUCT_INLINE vec exponent(const backward_tile *t, vec product, vec minus_lse, vec *slope)
{
    vec cap = vec_set1(t->softcap), bent = vec_tanh(vec_div(vec_mul(product, vec_set1(t->scale)), cap));
    *slope = vec_sub(vec_set1(1), vec_mul(bent, bent));
    return vec_fma(bent, cap, minus_lse);
}

/* One vector: Q K^T in p_t and V dO^T in ds_t become P .* M and dS. */
static void differentiate(const backward_tile *t, int64_t at, int64_t query)
{
    vec x = vec_load(t->p_t + at), slope = vec_set1(1), minus_lse = vec_load(t->minus_lse + query);
    vec factor = t->dropout ? vec_load(t->dropout + at) : vec_set1(1);
    if (t->function.call)
        slope = vec_load(t->slope_t + at), x = vec_add(x, minus_lse);
    else
        x = t->softcap > 0 ? exponent(t, x, minus_lse, &slope) : vec_fma(x, vec_set1(t->scale), minus_lse);
    vmask masked = mask_first(0);
    if (t->modification) {
        vec change = vec_load(t->modification + at);
        masked = vec_equal(change, vec_set1(-INFINITY));
        x = vec_add(x, change);
    }
    vec p = vec_exp(x), grad = vec_mul(vec_load(t->ds_t + at), factor);
    vec ds = vec_mul(p, vec_fma(grad, vec_set1(t->grad_scale), vec_load(t->offset + query)));
    if (t->cap_slope) ds = vec_mul(ds, slope);
    /* What is masked may be anything, and 0 times it NaN. */
    vec_store(t->p_t + at, vec_select(masked, vec_zero(), vec_mul(p, factor)));
    vec_store(t->ds_t + at, vec_select(masked, vec_zero(), ds));
}

/* The same without cap, modification and dropout. */
PRODUCT_INLINE void differentiate_plain(const backward_tile *t, int64_t at, int64_t query)
{
    vec p = vec_exp(vec_fma(vec_load(t->p_t + at), vec_set1(t->scale), vec_load(t->minus_lse + query)));
    vec ds = vec_fma(vec_load(t->ds_t + at), vec_set1(t->grad_scale), vec_load(t->offset + query));
    vec_store(t->p_t + at, p);
    vec_store(t->ds_t + at, vec_mul(p, ds));
}

static void differentiate_rows(const backward_tile *t, int64_t key, int64_t rows, int64_t query, int64_t vectors)
{
    bool plain = !(t->softcap > 0) && !t->modification && !t->dropout && !t->function.call;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t v = 0; v < vectors; v++) {
            int64_t q = query + v * SIMD_LANES, at = (key + r) * BACKWARD_QUERIES + q;
            if (plain)
                differentiate_plain(t, at, q);
            else
                differentiate(t, at, q);
        }
}

/* Q K^T in p_t becomes what the caller's function makes of the capped scores, their slopes go to slope_t. */
static void call_function(const backward_tile *t, int64_t vectors)
{
    vec scale = vec_set1(t->scale), cap = vec_set1(t->softcap), one = vec_set1(1);
    for (int64_t n = 0; n < t->keys; n++)
        for (int64_t v = 0; v < vectors; v++) {
            int64_t at = n * BACKWARD_QUERIES + v * SIMD_LANES;
            vec x = vec_mul(vec_load(t->p_t + at), scale), slope = one;
            if (t->softcap > 0) {
                vec bent = vec_tanh(vec_div(x, cap));
                x = vec_mul(bent, cap), slope = vec_sub(one, vec_mul(bent, bent));
            }
            vec_store(t->p_t + at, x);
            vec_store(t->slope_t + at, slope);
        }
    score_function_call(&t->function, 0, t->queries, 0, t->keys, t->p_t, t->slope_t, 1, BACKWARD_QUERIES);
}

/* Additive scores of key n into p_t, V dO^T into ds_t; lanes beyond the queries become 0. */
static void bend_key(const backward_tile *t, int64_t n)
{
    const float *w = t->score_vector, *k = t->k + n * t->k_row, *v = t->v + n * t->v_row;
    float *s = t->p_t + n * BACKWARD_QUERIES, *dp = t->ds_t + n * BACKWARD_QUERIES;
    float *bent = t->bent + n * t->queries * t->bent_row;
    int64_t m = 0, row = t->q_row, bent_row = t->bent_row, grad_row = t->grad_o_row;
    for (; m + ADDITIVE_ROWS <= t->queries; m += ADDITIVE_ROWS) {
        additive_score(ADDITIVE_ROWS, w, k, t->q + m * row, row, t->D, s + m, bent + m * bent_row, bent_row);
        product_along(ADDITIVE_ROWS, v, t->grad_o + m * grad_row, grad_row, t->DV, 1, dp + m);
    }
    for (; m < t->queries; m++) {
        additive_score(1, w, k, t->q + m * row, row, t->D, s + m, bent + m * bent_row, bent_row);
        product_along(1, v, t->grad_o + m * grad_row, grad_row, t->DV, 1, dp + m);
    }
    for (; m % SIMD_LANES; m++) s[m] = dp[m] = 0;
}

/* The same of a tile of one query for `keys` keys from n on, side by side: at most ADDITIVE_ROWS. */
PRODUCT_INLINE void bend_query(const int keys, const backward_tile *t, int64_t n)
{
    float s[ADDITIVE_ROWS], dp[ADDITIVE_ROWS];
    additive_score(keys, t->score_vector, t->q, t->k + n * t->k_row, t->k_row, t->D, s, t->bent + n * t->bent_row,
                   t->bent_row);
    product_along(keys, t->grad_o, t->v + n * t->v_row, t->v_row, t->DV, 1, dp);
    for (int r = 0; r < keys; r++) {
        float *weights = t->p_t + (n + r) * BACKWARD_QUERIES, *grads = t->ds_t + (n + r) * BACKWARD_QUERIES;
        weights[0] = s[r], grads[0] = dp[r];
        for (int m = 1; m < SIMD_LANES; m++) weights[m] = grads[m] = 0;
    }
}

static void bend_tile(const backward_tile *t)
{
    int64_t n = 0;
    for (; t->queries == 1 && n + ADDITIVE_ROWS <= t->keys; n += ADDITIVE_ROWS) bend_query(ADDITIVE_ROWS, t, n);
    for (; n < t->keys; n++) bend_key(t, n);
}

PRODUCT_INLINE void score_tile(const int R, const int V, const backward_tile *t, int64_t key, int64_t query)
{
    int64_t at = key * BACKWARD_QUERIES + query;
    const product_factors s = {t->k + key * t->k_row, t->k_row, 1, t->q_t + query, BACKWARD_QUERIES, t->D};
    const product_factors dp = {t->v + key * t->v_row, t->v_row, 1, t->grad_o_t + query, BACKWARD_QUERIES, t->DV};
    product_tile(R, V, &s, 1, t->p_t + at, BACKWARD_QUERIES);
    product_tile(R, V, &dp, 1, t->ds_t + at, BACKWARD_QUERIES);
    if (!t->function.call) differentiate_rows(t, key, R, query, V);
}

PRODUCT_INLINE void score_keys(const int V, const backward_tile *t, int64_t query)
{
    int64_t key = 0;
    for (; key + PRODUCT_ROWS(V) <= t->keys; key += PRODUCT_ROWS(V)) score_tile(PRODUCT_ROWS(V), V, t, key, query);
    for (; key + 4 <= t->keys; key += 4) score_tile(4, V, t, key, query);
    for (; key < t->keys; key++) score_tile(1, V, t, key, query);
}

/* Both products, and what becomes of them unless the caller's function has to come between. */
static void multiply_tile(const backward_tile *t, int64_t vectors)
{
    int64_t query = 0;
    for (; vectors >= PRODUCT_VECTORS; vectors -= PRODUCT_VECTORS) {
        score_keys(PRODUCT_VECTORS, t, query);
        query += PRODUCT_VECTORS * SIMD_LANES;
    }
    if (vectors == 3) score_keys(3, t, query);
    if (vectors == 2) score_keys(2, t, query);
    if (vectors == 1) score_keys(1, t, query);
}

void SIMD_NAMED(backward_scores)(const backward_tile *t)
{
    int64_t vectors = (t->queries + SIMD_LANES - 1) / SIMD_LANES;
    if (t->score_vector)
        bend_tile(t);
    else
        multiply_tile(t, vectors);
    if (t->function.call) call_function(t, vectors);
    if (t->score_vector || t->function.call) differentiate_rows(t, 0, t->keys, 0, vectors);
}
