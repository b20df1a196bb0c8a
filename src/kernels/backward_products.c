/* Backward's three sums from one tile of P^T and dS^T; backward_tile.h gives the contract. */
#include "kernels/backward_tile.h"
#include "kernels/simd_product.h"

extern backward_products_kernel SIMD_NAMED(backward_products), SIMD_NAMED(backward_additive);

/* out (rows, columns) += left right, of `factors` at column and row 0. */
typedef struct product_into {
    product_factors factors;
    float *out;
    int64_t out_row, rows, columns;
} product_into;

/* The rows are added to when the products are done, and asked for before: they come from a farther cache than the
 * factors. */
PRODUCT_INLINE void add_tile(const int R, const int V, const product_into *p, int64_t row, int64_t column)
{
    product_factors f = p->factors;
    f.left += row * f.left_row;
    f.right += column;
    float *out = p->out + row * p->out_row + column;
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            __builtin_prefetch(out + r * p->out_row + v * SIMD_LANES);
            sum[r][v] = vec_zero();
        }
    product_sum(R, V, sum, &f);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            float *to = out + r * p->out_row + v * SIMD_LANES;
            vec_store(to, vec_add(vec_load(to), sum[r][v]));
        }
}

PRODUCT_INLINE void add_tile_n(const int R, int n, const product_into *p, int64_t row, int64_t column)
{
    product_factors f = p->factors;
    f.left += row * f.left_row;
    f.right += column;
    float *out = p->out + row * p->out_row + column;
    vec sum[PRODUCT_MOST_ROWS][PRODUCT_MOST_VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) sum[r][0] = vec_load_n(out + r * p->out_row, n);
    product_sum_n(R, n, sum, &f);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) vec_store_n(out + r * p->out_row, sum[r][0], n);
}

PRODUCT_INLINE void add_columns(const int V, const product_into *p, int64_t column)
{
    int64_t row = 0;
    for (; row + PRODUCT_ROWS(V) <= p->rows; row += PRODUCT_ROWS(V)) add_tile(PRODUCT_ROWS(V), V, p, row, column);
    for (; row + 4 <= p->rows; row += 4) add_tile(4, V, p, row, column);
    for (; row < p->rows; row++) add_tile(1, V, p, row, column);
}

static void add_product(const product_into *p)
{
    int64_t column = 0, vectors = p->columns / SIMD_LANES;
    for (; vectors >= PRODUCT_VECTORS; vectors -= PRODUCT_VECTORS) {
        add_columns(PRODUCT_VECTORS, p, column);
        column += PRODUCT_VECTORS * SIMD_LANES;
    }
    if (vectors == 3) add_columns(3, p, column);
    if (vectors == 2) add_columns(2, p, column);
    if (vectors == 1) add_columns(1, p, column);
    column += vectors * SIMD_LANES;
    int n = (int)(p->columns - column);
    if (!n) return;
    int64_t row = 0;
    for (; row + 8 <= p->rows; row += 8) add_tile_n(8, n, p, row, column);
    for (; row < p->rows; row++) add_tile_n(1, n, p, row, column);
}

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
    if (t->grad_v)
        add_product(&(product_into){along_queries(t->p_t, t->grad_o, t->grad_o_row, t->queries), t->grad_v,
                                    t->grad_v_row, t->keys, t->DV});
    if (t->score_vector) {
        SIMD_NAMED(backward_additive)(t);
        return;
    }
    if (t->grad_k)
        add_product(&(product_into){along_queries(t->ds_t, t->q, t->q_row, t->queries), t->grad_k, t->grad_k_row,
                                    t->keys, t->D});
    if (t->grad_q)
        add_product(
            &(product_into){down_keys(t->ds_t, t->k, t->k_row, t->keys), t->grad_q, t->grad_q_row, t->queries, t->D});
}
