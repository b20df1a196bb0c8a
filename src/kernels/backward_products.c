/* Backward's three sums from one tile of P^T and dS^T; backward_tile.h gives the contract. */
#include "kernels/backward_tile.h"
#include "kernels/simd_product.h"

extern backward_products_kernel SIMD_NAMED(backward_products), SIMD_NAMED(backward_additive),
    SIMD_NAMED(backward_single);

typedef product_factors into_factors;

INLINE void into_sum(const int R, const int V, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS], const into_factors *f)
{
    product_sum(R, V, sum, f);
}

INLINE void into_sum_n(const int R, int n, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS], const into_factors *f)
{
    product_sum_n(R, n, sum, f);
}

#include "kernels/product_into.h"

/* The two ways to read a tile as the left factor: along its rows, or down its columns. */
static product_factors along_queries(const float *tile, const float *right, int64_t right_row, int64_t queries)
{
    return (product_factors){tile, BACKWARD_QUERIES, 1, right, right_row, queries};
}

static product_factors down_keys(const float *tile, const float *right, int64_t right_row, int64_t keys)
{
    return (product_factors){tile, 1, BACKWARD_QUERIES, right, right_row, keys};
}

void SIMD_NAMED(backward_products)(const backward_tile *t)
{
    if (t->score_vector && t->queries == 1) {
        SIMD_NAMED(backward_single)(t);
        return;
    }
    if (t->grad_v)
        add_product(&(product_into){along_queries(t->p_t, t->grad_o, t->grad_o_row, t->queries), t->grad_v,
                                    t->grad_v_row, t->keys, t->DV, t->ahead});
    if (t->score_vector) {
        SIMD_NAMED(backward_additive)(t);
        return;
    }
    if (t->grad_k)
        add_product(&(product_into){along_queries(t->ds_t, t->q, t->q_row, t->queries), t->grad_k, t->grad_k_row,
                                    t->keys, t->D, t->ahead});
    if (t->grad_q)
        add_product(&(product_into){down_keys(t->ds_t, t->k, t->k_row, t->keys), t->grad_q, t->grad_q_row, t->queries,
                                    t->D, t->ahead});
}
