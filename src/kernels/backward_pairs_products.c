/* Backward's three sums from one tile of P^T and dS^T rounded to bf16, two queries or two keys in each step;
 * backward_tile.h gives the contract. */
#include "kernels/backward_tile.h"
#include "kernels/pairs_product.h"

extern backward_products_kernel SIMD_NAMED(backward_pairs_products);

typedef pair_factors into_factors;

INLINE void into_sum(const int R, const int V, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS], const into_factors *f)
{
    pairs_product_sum(R, V, sum, f);
}

INLINE void into_sum_n(const int R, int n, vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS], const into_factors *f)
{
    pairs_product_sum_n(R, n, sum, f);
}

#include "kernels/product_into.h"

/* The tile's rows, by pairs of queries. */
static pair_factors along_queries(const backward_tile *t, const uint16_t *tile, const uint32_t *right, int64_t columns)
{
    return (pair_factors){tile, BACKWARD_QUERIES, 2, right, columns, (t->queries + 1) / 2, NULL};
}

/* Its columns, by pairs of keys. */
static pair_factors down_keys(const backward_tile *t, const uint32_t *tile, const uint32_t *right, int64_t columns)
{
    return (pair_factors){(const uint16_t *)tile, 2, 2 * BACKWARD_QUERIES, right, columns, (t->keys + 1) / 2, NULL};
}

void SIMD_NAMED(backward_pairs_products)(const backward_tile *t)
{
    if (t->grad_v)
        add_product(&(product_into){along_queries(t, t->p_bf16, t->grad_o_pairs, t->DV), t->grad_v, t->grad_v_row,
                                    t->keys, t->DV, t->ahead});
    if (t->grad_k)
        add_product(&(product_into){along_queries(t, t->ds_bf16, t->q_pairs, t->D), t->grad_k, t->grad_k_row, t->keys,
                                    t->D, t->ahead});
    if (t->grad_q)
        add_product(&(product_into){down_keys(t, t->ds_pairs, t->k_pairs, t->D), t->grad_q, t->grad_q_row, t->queries,
                                    t->D, t->ahead});
}
