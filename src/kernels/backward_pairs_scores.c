/* Backward's weights and their gradients for one tile of bf16, by products of pairs, rounded to bf16 for the products
 * that follow; backward_tile.h gives the contract. */
#include "kernels/pairs_product.h"
#include "kernels/rounded_slopes.h"

extern backward_scores_kernel SIMD_NAMED(backward_pairs_scores);

/* out[r * BACKWARD_QUERIES + v * SIMD_LANES] = row r times the columns, `length` numbers each. */
INLINE void multiply(const int R, const int V, const uint16_t *rows, int64_t row, const float *columns, int64_t length,
                     float *out)
{
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) sum[r][v] = vec_zero();
    const uint32_t *right = (const uint32_t *)columns;
    pairs_product_sum(R, V, sum, &(pair_factors){rows, row, 2, right, BACKWARD_QUERIES, length / 2, NULL});
    if (length % 2) pairs_product_last(R, V, sum, rows + length - 1, row, right + length / 2 * BACKWARD_QUERIES);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) vec_store(out + r * BACKWARD_QUERIES + v * SIMD_LANES, sum[r][v]);
}

INLINE void score_tile(const int R, const int V, const backward_tile *t, int64_t key, int64_t query)
{
    const int64_t at = key * BACKWARD_QUERIES + query;
    multiply(R, V, t->k_bf16 + key * t->k_row, t->k_row, t->q_t + query, t->D, t->p_t + at);
    multiply(R, V, t->v_bf16 + key * t->v_row, t->v_row, t->grad_o_t + query, t->DV, t->ds_t + at);
    if (!t->function.call) differentiate_rows(true, t, key, R, query, V);
}

INLINE void score_keys(const int V, const backward_tile *t, int64_t query)
{
    int64_t key = 0;
    for (; key + PRODUCT_ROWS(V) <= t->keys; key += PRODUCT_ROWS(V)) {
        lines_ahead_beside(t->ahead, PRODUCT_ROWS(V) * V * SIMD_LANES);
        score_tile(PRODUCT_ROWS(V), V, t, key, query);
    }
    for (; key + 4 <= t->keys; key += 4) score_tile(4, V, t, key, query);
    for (; key + 2 <= t->keys; key += 2) score_tile(2, V, t, key, query);
    if (key < t->keys) score_tile(1, V, t, key, query);
}

/* An odd number of queries leaves the last alone in its pair. */
static void silence_beyond(const backward_tile *t)
{
    for (int64_t n = 0; n < t->keys; n++)
        t->p_bf16[n * BACKWARD_QUERIES + t->queries] = t->ds_bf16[n * BACKWARD_QUERIES + t->queries] = 0;
}

void SIMD_NAMED(backward_pairs_scores)(const backward_tile *t)
{
    const int64_t all = (t->queries + SIMD_LANES - 1) / SIMD_LANES;
    int64_t query = 0, vectors = all;
    for (; vectors >= PRODUCT_VECTORS; vectors -= PRODUCT_VECTORS) {
        score_keys(PRODUCT_VECTORS, t, query);
        query += PRODUCT_VECTORS * SIMD_LANES;
    }
    if (vectors == 3) score_keys(3, t, query);
    if (vectors == 2) score_keys(2, t, query);
    if (vectors == 1) score_keys(1, t, query);
    if (t->function.call) {
        call_function(t, all);
        differentiate_rows(true, t, 0, t->keys, 0, all);
    }
    if (t->p_bf16 && t->queries % 2) silence_beyond(t);
}
