/* What backward adds for a tile of additive scores, from the hyperbolic tangents that its scores kept; backward_tile.h
 * gives the contract. Each element of dQ is summed over the tile's keys in order, of dK over its queries, of dw over
 * both, keys outside. */
#include "kernels/backward_tile.h"
#include "kernels/simd.h"

extern backward_products_kernel SIMD_NAMED(backward_additive);

#define INLINE static inline __attribute__((always_inline))

/* row[d ..] += factor * sum */
INLINE void add_to(float *row, vec factor, vec sum, int part)
{
    vec_store_n(row, vec_fma(factor, sum, vec_load_n(row, part)), part);
}

/* One vector of dimensions, from d on. */
INLINE void add_dimensions(const backward_tile *t, int64_t d, int part)
{
    vec w = vec_load_n(t->score_vector + d, part), one = vec_set1(1), grad_w = vec_zero(), grad_q[ADDITIVE_QUERIES];
    for (int64_t m = 0; m < t->queries; m++) grad_q[m] = vec_zero();
    for (int64_t n = 0; n < t->keys; n++) {
        const float *ds = t->ds_t + n * BACKWARD_QUERIES, *bent = t->bent + n * t->queries * t->bent_row + d;
        vec grad_k = vec_zero();
        for (int64_t m = 0; m < t->queries; m++) {
            vec x = vec_load(bent + m * t->bent_row), each = vec_set1(ds[m]);
            vec share = vec_mul(x, each), slope = vec_sub(each, vec_mul(x, share)); /* dS t, dS (1 - t^2) */
            grad_w = vec_add(grad_w, share);
            grad_k = vec_add(grad_k, slope);
            grad_q[m] = vec_add(grad_q[m], slope);
        }
        if (t->grad_k) add_to(t->grad_k + n * t->grad_k_row + d, w, grad_k, part);
    }
    for (int64_t m = 0; t->grad_q && m < t->queries; m++) add_to(t->grad_q + m * t->grad_q_row + d, w, grad_q[m], part);
    if (t->grad_score_vector) add_to(t->grad_score_vector + d, one, grad_w, part);
}

void SIMD_NAMED(backward_additive)(const backward_tile *t)
{
    if (!t->grad_q && !t->grad_k && !t->grad_score_vector) return;
    for (int64_t d = 0; d < t->D; d += SIMD_LANES)
        add_dimensions(t, d, (int)(t->D - d < SIMD_LANES ? t->D - d : SIMD_LANES));
}
