/* Backward's weights and their gradients for one tile; backward_tile.h gives the contract. */
#include "kernels/additive_score.h"
#include "kernels/backward_tile.h"
#include "kernels/simd_product.h"
#include "kernels/weight_slopes.h"

extern backward_scores_kernel SIMD_NAMED(backward_scores);

/* Without cap, modification, dropout and function. */
INLINE void differentiate_plain(const backward_tile *t, int64_t at, int64_t query)
{
    vec p = vec_exp(vec_fma(vec_load(t->p_t + at), vec_set1(t->scale), vec_load(t->minus_lse + query)));
    vec ds = vec_fma(vec_load(t->ds_t + at), vec_set1(t->grad_scale), vec_load(t->offset + query));
    vec_store(t->p_t + at, p);
    vec_store(t->ds_t + at, vec_mul(p, ds));
}

/* With any of them: a call, which keeps the loop that has none small. */
static void differentiate_options(const backward_tile *t, int64_t at, int64_t query)
{
    const weight_slope x = differentiate(false, t, at, query);
    vec_store(t->p_t + at, x.p);
    vec_store(t->ds_t + at, x.ds);
}

static void differentiate_rows(const backward_tile *t, int64_t key, int64_t rows, int64_t query, int64_t vectors)
{
    const bool plain = is_plain(t);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t v = 0; v < vectors; v++) {
            int64_t q = query + v * SIMD_LANES, at = (key + r) * BACKWARD_QUERIES + q;
            if (plain)
                differentiate_plain(t, at, q);
            else
                differentiate_options(t, at, q);
        }
}

/* Additive scores of key n and `queries` queries from m on into p_t, V dO^T into ds_t. */
INLINE void bend_key(const int queries, const backward_tile *t, int64_t n, int64_t m)
{
    float *bent = t->bent + (n * t->queries + m) * t->bent_row;
    const int64_t at = n * BACKWARD_QUERIES + m;
    additive_score(queries, t->score_vector, t->k + n * t->k_row, t->q + m * t->q_row, t->q_row, t->D, t->p_t + at,
                   bent, t->bent_row);
    product_along(queries, t->v + n * t->v_row, t->grad_o + m * t->grad_o_row, t->grad_o_row, t->DV, 1, t->ds_t + at);
}

/* The same of a tile of one query for `keys` keys from n on, side by side: at most ADDITIVE_ROWS. */
INLINE void bend_query(const int keys, const backward_tile *t, int64_t n)
{
    float s[ADDITIVE_ROWS], dp[ADDITIVE_ROWS];
    additive_score(keys, t->score_vector, t->q, t->k + n * t->k_row, t->k_row, t->D, s, t->bent + n * t->bent_row,
                   t->bent_row);
    product_along(keys, t->grad_o, t->v + n * t->v_row, t->v_row, t->DV, 1, dp);
    for (int r = 0; r < keys; r++) {
        vec_store(t->p_t + (n + r) * BACKWARD_QUERIES, vec_select(mask_first(1), vec_set1(s[r]), vec_zero()));
        vec_store(t->ds_t + (n + r) * BACKWARD_QUERIES, vec_select(mask_first(1), vec_set1(dp[r]), vec_zero()));
    }
}

/* A few queries meet all keys before the next ones do, so that their rows stay near the core; lanes beyond the queries
 * become 0. */
static void bend_tile(const backward_tile *t)
{
    int64_t n = 0, m = 0;
    for (; t->queries == 1 && n + ADDITIVE_ROWS <= t->keys; n += ADDITIVE_ROWS) bend_query(ADDITIVE_ROWS, t, n);
    const int64_t first = n;
    for (; m + ADDITIVE_ROWS <= t->queries; m += ADDITIVE_ROWS)
        for (n = first; n < t->keys; n++) bend_key(ADDITIVE_ROWS, t, n, m);
    for (; m < t->queries; m++)
        for (n = first; n < t->keys; n++) bend_key(1, t, n, m);
    for (n = first; n < t->keys; n++)
        for (m = t->queries; m % SIMD_LANES; m++)
            t->p_t[n * BACKWARD_QUERIES + m] = t->ds_t[n * BACKWARD_QUERIES + m] = 0;
}

INLINE void score_tile(const int R, const int V, const backward_tile *t, int64_t key, int64_t query)
{
    int64_t at = key * BACKWARD_QUERIES + query;
    const product_factors s = {t->k + key * t->k_row, t->k_row, 1, t->q_t + query, BACKWARD_QUERIES, t->D};
    const product_factors dp = {t->v + key * t->v_row, t->v_row, 1, t->grad_o_t + query, BACKWARD_QUERIES, t->DV};
    product_tile(R, V, &s, 1, t->p_t + at, BACKWARD_QUERIES);
    product_tile(R, V, &dp, 1, t->ds_t + at, BACKWARD_QUERIES);
    if (!t->function.call) differentiate_rows(t, key, R, query, V);
}

INLINE void score_keys(const int V, const backward_tile *t, int64_t query)
{
    int64_t key = 0;
    for (; key + PRODUCT_ROWS(V) <= t->keys; key += PRODUCT_ROWS(V)) {
        lines_ahead_beside(t->ahead, PRODUCT_ROWS(V) * V * SIMD_LANES);
        score_tile(PRODUCT_ROWS(V), V, t, key, query);
    }
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
