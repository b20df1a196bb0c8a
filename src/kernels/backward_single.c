/* What backward adds for a tile of additive scores with one query, as a recurrent decoder asks: each element of dK and
 * dV gets one product and no sum, so that what moves them counts more than what computes them. The tile's keys go side
 * by side, and where nothing was added to their rows before these are written without being read; backward_tile.h gives
 * the contract. Each element of dQ and dw is summed over the tile's keys in order. */
#include "kernels/backward_tile.h"
#include "kernels/simd_parts.h"

extern backward_products_kernel SIMD_NAMED(backward_single);

/* row[0 ..] += factor * x; with `writes` row is taken to be zeros. */
INLINE void add_part(const bool writes, float *row, vec factor, vec x, int part)
{
    store_part(row, vec_fma(factor, x, writes ? vec_zero() : load_part(row, part)), part);
}

/* The tile's rows, weights and slopes in variables of their own: for all a compiler knows, storing a vector might
 * change the tile. */
typedef struct single_rows {
    const float *grad_o, *w, *bent[ADDITIVE_KEYS];
    float *grad_q, *grad_w, *grad_k[ADDITIVE_KEYS], *grad_v[ADDITIVE_KEYS]; /* as the tile has them, NULL or not */
    float p[ADDITIVE_KEYS], ds[ADDITIVE_KEYS];
} single_rows;

/* A vector of D, or what is left of it, from d on. */
INLINE void add_slopes(const int keys, const bool writes, const single_rows *x, int64_t d, int part)
{
    const vec w = load_part(x->w + d, part);
    vec grad_w = vec_zero(), grad_q = vec_zero();
#pragma GCC unroll 4
    for (int r = 0; r < keys; r++) {
        const vec tangent = vec_load(x->bent[r] + d);
        const vec less = vec_mul(tangent, vec_set1(-x->ds[r]));       /* -dS t */
        const vec slope = vec_fma(tangent, less, vec_set1(x->ds[r])); /* dS (1 - t^2) */
        grad_w = vec_sub(grad_w, less);
        grad_q = vec_add(grad_q, slope);
        if (x->grad_k[0]) add_part(writes, x->grad_k[r] + d, w, slope, part);
    }
    if (x->grad_q) add_part(false, x->grad_q + d, w, grad_q, part);
    if (x->grad_w) add_part(false, x->grad_w + d, vec_set1(1), grad_w, part);
}

/* The same of DV from c on. */
INLINE void add_values(const int keys, const bool writes, const single_rows *x, int64_t c, int part)
{
    const vec grad_o = load_part(x->grad_o + c, part);
#pragma GCC unroll 4
    for (int r = 0; r < keys; r++) add_part(writes, x->grad_v[r] + c, vec_set1(x->p[r]), grad_o, part);
}

INLINE void add_keys(const int keys, const bool writes, const backward_tile *t)
{
    const int64_t D = t->D, DV = t->DV;
    single_rows x = {.grad_o = t->grad_o, .w = t->score_vector, .grad_q = t->grad_q, .grad_w = t->grad_score_vector};
#pragma GCC unroll 4
    for (int r = 0; r < keys; r++) {
        x.p[r] = t->p_t[r * BACKWARD_QUERIES], x.ds[r] = t->ds_t[r * BACKWARD_QUERIES];
        x.bent[r] = t->bent + r * t->bent_row;
        x.grad_k[r] = t->grad_k ? t->grad_k + r * t->grad_k_row : NULL;
        x.grad_v[r] = t->grad_v ? t->grad_v + r * t->grad_v_row : NULL;
    }
    int64_t c = 0, d = 0;
    if (x.grad_v[0]) {
        for (; c + SIMD_LANES <= DV; c += SIMD_LANES) add_values(keys, writes, &x, c, SIMD_LANES);
        if (c < DV) add_values(keys, writes, &x, c, (int)(DV - c));
    }
    if (!x.grad_q && !x.grad_k[0] && !x.grad_w) return;
    for (; d + SIMD_LANES <= D; d += SIMD_LANES) add_slopes(keys, writes, &x, d, SIMD_LANES);
    if (d < D) add_slopes(keys, writes, &x, d, (int)(D - d));
}

_Static_assert(ADDITIVE_KEYS == 4, "a tile has one to four keys");

INLINE void add_tile(const bool writes, const backward_tile *t)
{
    if (t->keys == 4) add_keys(4, writes, t);
    if (t->keys == 3) add_keys(3, writes, t);
    if (t->keys == 2) add_keys(2, writes, t);
    if (t->keys == 1) add_keys(1, writes, t);
}

void SIMD_NAMED(backward_single)(const backward_tile *t)
{
    if (t->writes_keys)
        add_tile(true, t);
    else
        add_tile(false, t);
}
