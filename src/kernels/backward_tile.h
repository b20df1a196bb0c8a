/* Backward attention of one tile: up to BACKWARD_QUERIES queries by BACKWARD_KEYS keys of one head, in three steps,
 *
 *     begin     once per block of queries: Q^T and dO^T, so that queries lie in lanes, -lse, delta and -scale * delta
 *     scores    P^T = exp(S^T - lse), dS^T = P^T .* (M^T .* (V dO^T) - delta), times slopes and scale
 *     products  dV += (P .* M)^T dO,  dK += dS^T Q,  dQ += dS K
 *
 * where the slopes are those of the cap and of the caller's function,
 *
 *          S^T, dP^T: K, V rows broadcast            dV, dK: tile rows broadcast      dQ: tile columns broadcast
 *
 *                 queries in lanes                        d in lanes                       d in lanes
 *              +------------------+                    +--------------+                +--------------+
 *      key     |  p_t, ds_t       |             key    | grad_v,      |       query    | grad_q       |
 *      [d] --> |                  |    [query] -->     | grad_k       |     [key] -->  |              |
 *              +------------------+                    +--------------+                +--------------+
 *
 * so that all five products read the caller's rows as they stand, except the two that begin transposes. A tile of
 * weights is [key * BACKWARD_QUERIES + query]. M is dropout's factors. Where the gradient of ALiBi's slope is wanted,
 * scores adds up each query's part of it too, dX being dS without slopes and scale:
 *
 *     distance_sums[query] -= sum over keys of dX_(query, key) |distance + query - key|
 *
 *
 * On bf16, where the CPU multiplies pairs of them, every step takes two of what is summed over: two dimensions in
 * scores, two queries or two keys in products. So q_t and grad_o_t hold pairs of dimensions, scores leaves P .* M and
 * dS rounded to bf16, whose rows are pairs of queries as they stand, and dS once more by pairs of keys; and the rows of
 * Q, dO and K that products meets come by pack_rows. Where the CPU multiplies tiles of 16 x 32 by 32 x 16 all sizes are
 * rounded up to steps of 32, 0 behind what is there; K and V come in tiles too, and dS the second time turned.
 *
 * With additive scores, S_ij = sum over d of w_d t_ijd with t_ijd = tanh(q_id + k_jd), the tile is ADDITIVE_QUERIES by
 * ADDITIVE_KEYS at most, so that scores can keep its t near the core for products,
 *
 *     products  dQ_id += w_d (sum over j of dS_ij (1 - t_ijd^2)),  dK_jd likewise over i,  dw_d += dS_ij t_ijd
 *
 * with d in lanes throughout. Dao et al., "FlashAttention" (2022),
 * algorithm 4. */
#ifndef KERNELS_BACKWARD_TILE_H
#define KERNELS_BACKWARD_TILE_H

#include "kernels/lines_ahead.h"
#include "kernels/score_function.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define BACKWARD_QUERIES 64 /* a multiple of every instruction set's lanes */
#define BACKWARD_KEYS 64
#define ADDITIVE_QUERIES 16 /* likewise; both divide those above */
#define ADDITIVE_KEYS 4

/* The steps of products of tiles. Whatever multiplies pairs, q_t and grad_o_t have 0 to whole ones. */
#define BACKWARD_STEP 32

static inline int64_t backward_whole(int64_t count)
{
    return (count + BACKWARD_STEP - 1) / BACKWARD_STEP * BACKWARD_STEP;
}

/* Rows beyond `queries` and `keys` are never read or written, in the caller's arrays; in q_t, do_t, p_t, ds_t and the
 * like, whole vectors are. */
typedef struct backward_tile {
    int64_t queries, keys, D, DV;
    float scale, softcap; /* softcap 0: none */
    float grad_scale;     /* what dS is multiplied by: scale for dQ and dK, 1 for the bias's gradient */
    bool cap_slope;       /* times the cap's derivative: for dQ and dK, not for the bias's gradient */

    const float *q, *grad_o, *o, *lse; /* the block of queries: [query * row + c] */
    int64_t q_row, grad_o_row, o_row, lse_row;
    const float *k, *v; /* the block of keys: [key * row + c] */
    int64_t k_row, v_row;
    const uint16_t *q_bf16, *grad_o_bf16, *o_bf16, *k_bf16, *v_bf16; /* in backward_pairs, in place of those above */
    const uint32_t *q_pairs, *grad_o_pairs,
        *k_pairs;                      /* there, by pack_rows: [row / 2 * D + c], of grad_o DV; or tiles */
    const uint32_t *k_tiles, *v_tiles; /* where tiles are multiplied, by pack_keys: for scores */
    const float *modification;         /* added to the capped scores, -inf masks; NULL: none; laid out as p_t */
    const float *dropout;              /* M, laid out as p_t; NULL: none */
    score_function function;           /* of the capped scores */

    const float *score_vector; /* w; NULL: scaled products */
    float *bent; /* t, for the same: [(key * queries + query) * bent_row + d]; bent_row is a multiple of the lanes */
    int64_t bent_row;

    float *q_t, *grad_o_t; /* [c * BACKWARD_QUERIES + query]: D and DV rows; of pairs half as many, and whole steps;
                              NULL with additive scores */
    float *minus_lse, *delta, *offset; /* BACKWARD_QUERIES each: -lse; the sum of dO * O; -grad_scale * delta */
    float *p_t, *ds_t;                 /* BACKWARD_KEYS rows; all these are 64-byte aligned */
    uint16_t *p_bf16, *ds_bf16;        /* in backward_pairs, what p_t and ds_t would hold, rounded; NULL: these do */
    uint32_t *ds_pairs;                /* there, dS by pairs of keys: [key / 2 * BACKWARD_QUERIES + query]; for tiles
                                          [query * BACKWARD_KEYS / 2 + key / 2] */
    float *slope_t;                    /* likewise, for the function alone */
    float *distance_sums;              /* BACKWARD_QUERIES, added to; NULL: not computed */
    int64_t distance;                  /* of the first query from the first key, for these alone */

    float *grad_q, *grad_k, *grad_v; /* added to; NULL: not computed */
    int64_t grad_q_row, grad_k_row, grad_v_row;
    float *grad_score_vector; /* likewise */
    lines_ahead *ahead; /* what the next block needs, asked for beside products, but those of tiles; NULL: nothing */
    bool writes_keys;   /* with additive scores and one query: grad_k and grad_v are written, not added to */
} backward_tile;

/* begin reads the block of queries and writes q_t and grad_o_t where they are, minus_lse, delta and offset;
 * scores reads those, k, v, modification and dropout and writes p_t and ds_t (and bent), and adds to distance_sums;
 * products reads these and adds to the gradients. A pair whose modification is -inf gets exactly 0 in p_t and ds_t
 * whatever its keys and values hold; so does a query whose lse is -inf and whose scores are not NaN. */
typedef void backward_begin_kernel(const backward_tile *tile);
typedef void backward_scores_kernel(const backward_tile *tile);
typedef void backward_products_kernel(const backward_tile *tile);

/* What begin tells of query m, whose dO and O have this product. Behind the queries, as for a row without keys, nothing
 * weighs anything: exp(score - inf) is 0, where exp(score + inf) would not be. */
static inline void backward_begin_query(const backward_tile *t, int64_t m, float delta)
{
    const bool real = m < t->queries;
    const float lse = real ? t->lse[m * t->lse_row] : -INFINITY;
    t->minus_lse[m] = lse == -INFINITY ? -INFINITY : -lse;
    t->delta[m] = real ? delta : 0;
    t->offset[m] = real ? -t->grad_scale * delta : 0;
}

/* Whether all elements of rows (count, columns) are finite. */
typedef bool rows_finite_kernel(const float *rows, int64_t row, int64_t count, int64_t columns);

/* The same of bf16. */
typedef bool pairs_finite_kernel(const uint16_t *rows, int64_t row, int64_t count, int64_t columns);

typedef struct backward_kernels {
    backward_begin_kernel *begin;
    backward_scores_kernel *scores;
    backward_products_kernel *products;
    rows_finite_kernel *rows_finite;
} backward_kernels;

#endif
