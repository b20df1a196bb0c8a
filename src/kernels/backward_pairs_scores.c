/* Backward's weights and their gradients for one tile of bf16, by products of pairs, rounded to bf16 for the products
 * that follow; backward_tile.h gives the contract. */
#include "kernels/pairs_product.h"
#include "kernels/weight_slopes.h"

#include <string.h>

extern backward_scores_kernel SIMD_NAMED(backward_pairs_scores);

/* The weight is rounded to bf16, or, for the bias's gradient, is not wanted. */
PRODUCT_INLINE weight_slope differentiate_plain(const backward_tile *t, int64_t at, int64_t query)
{
    const vec x = vec_fma(vec_load(t->p_t + at), vec_set1(t->scale), vec_load(t->minus_lse + query));
    const vec p = vec_exp2_short(vec_mul(x, vec_set1(LOG2_E)));
    const vec ds = vec_fma(vec_load(t->ds_t + at), vec_set1(t->grad_scale), vec_load(t->offset + query));
    return (weight_slope){p, vec_mul(p, ds)};
}

static weight_slope differentiate_options(const backward_tile *t, int64_t at, int64_t query)
{
    return differentiate(t, at, query);
}

/* Both keys key and key + 1, unless that is not there, at queries query .. query + 2 * SIMD_LANES - 1, unless there is
 * but one vector of them. */
PRODUCT_INLINE void round_square(const bool plain, const backward_tile *t, int64_t key, bool two_keys, int64_t query,
                                 bool two_vectors)
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
    if (!two_keys) ds[1] = pairs_set1(0);
    uint32_t *joined = t->ds_pairs + key / 2 * BACKWARD_QUERIES + query;
    pairs_store(joined, pairs_weave(ds[0], ds[1], &high));
    pairs_store(joined + SIMD_LANES, high);
}

PRODUCT_INLINE void round_rows(const bool plain, const backward_tile *t, int64_t key, int64_t rows, int64_t query,
                               int64_t vectors)
{
    for (int64_t r = 0; r < rows; r += 2)
        for (int64_t v = 0; v < vectors; v += 2) {
            const bool two_keys = r + 1 < rows, two_vectors = v + 1 < vectors;
            if (two_keys && two_vectors)
                round_square(plain, t, key + r, true, query + v * SIMD_LANES, true);
            else
                round_square(plain, t, key + r, two_keys, query + v * SIMD_LANES, two_vectors);
        }
}

static void keep_rows(const backward_tile *t, int64_t key, int64_t rows, int64_t query, int64_t vectors)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t v = 0; v < vectors; v++) {
            const int64_t q = query + v * SIMD_LANES, at = (key + r) * BACKWARD_QUERIES + q;
            const weight_slope x = differentiate_options(t, at, q);
            vec_store(t->p_t + at, x.p);
            vec_store(t->ds_t + at, x.ds);
        }
}

/* key is even, and so is the number of vectors before query. */
static void differentiate_rows(const backward_tile *t, int64_t key, int64_t rows, int64_t query, int64_t vectors)
{
    if (!t->p_bf16)
        keep_rows(t, key, rows, query, vectors);
    else if (is_plain(t))
        round_rows(true, t, key, rows, query, vectors);
    else
        round_rows(false, t, key, rows, query, vectors);
}

/* out[r * BACKWARD_QUERIES + v * SIMD_LANES] = row r times the columns, `length` numbers each. */
PRODUCT_INLINE void multiply(const int R, const int V, const uint16_t *rows, int64_t row, const float *columns,
                             int64_t length, float *out)
{
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) sum[r][v] = vec_zero();
    const uint32_t *right = (const uint32_t *)columns;
    pairs_product_sum(R, V, sum, &(pair_factors){rows, row, 2, right, BACKWARD_QUERIES, length / 2});
    if (length % 2) pairs_product_last(R, V, sum, rows + length - 1, row, right + length / 2 * BACKWARD_QUERIES);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) vec_store(out + r * BACKWARD_QUERIES + v * SIMD_LANES, sum[r][v]);
}

PRODUCT_INLINE void score_tile(const int R, const int V, const backward_tile *t, int64_t key, int64_t query)
{
    const int64_t at = key * BACKWARD_QUERIES + query;
    multiply(R, V, t->k_bf16 + key * t->k_row, t->k_row, t->q_t + query, t->D, t->p_t + at);
    multiply(R, V, t->v_bf16 + key * t->v_row, t->v_row, t->grad_o_t + query, t->DV, t->ds_t + at);
    if (!t->function.call) differentiate_rows(t, key, R, query, V);
}

PRODUCT_INLINE void score_keys(const int V, const backward_tile *t, int64_t query)
{
    int64_t key = 0;
    for (; key + PRODUCT_ROWS(V) <= t->keys; key += PRODUCT_ROWS(V)) score_tile(PRODUCT_ROWS(V), V, t, key, query);
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
        differentiate_rows(t, 0, t->keys, 0, all);
    }
    if (t->p_bf16 && t->queries % 2) silence_beyond(t);
}
