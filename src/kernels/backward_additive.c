/* What backward adds for a tile of additive scores, from the hyperbolic tangents that its scores kept; backward_tile.h
 * gives the contract. Eight queries go through the keys side by side, their sums in registers: each element of dQ is
 * summed over the tile's keys in order, of dK over eight queries and these in order, of dw over both. */
#include "kernels/backward_tile.h"
#include "kernels/simd_parts.h"

extern backward_products_kernel SIMD_NAMED(backward_additive);

#define QUERIES_AT_ONCE 8

/* A vector of dimensions, from d on; part is SIMD_LANES, or what is left of D. */
typedef struct dimensions {
    int64_t d;
    int part;
    vec w;
} dimensions;

/* row[d ..] += factor * sum */
INLINE void add_to(float *row, const dimensions *x, vec factor, vec sum)
{
    row += x->d;
    store_part(row, vec_fma(factor, sum, load_part(row, x->part)), x->part);
}

/* Queries m .. m + queries - 1 against all keys; returns their part of dw. */
INLINE vec add_queries(const int queries, const backward_tile *t, const dimensions *x, int64_t m)
{
    vec grad_w = vec_zero(), grad_q[QUERIES_AT_ONCE];
#pragma GCC unroll 8
    for (int r = 0; r < queries; r++) grad_q[r] = vec_zero();
    for (int64_t n = 0; n < t->keys; n++) {
        const float *ds = t->ds_t + n * BACKWARD_QUERIES + m;
        const float *bent = t->bent + (n * t->queries + m) * t->bent_row + x->d;
        vec grad_k = vec_zero();
#pragma GCC unroll 8
        for (int r = 0; r < queries; r++) {
            vec tangent = vec_load(bent + r * t->bent_row), each = vec_set1(ds[r]);
            vec less = vec_mul(tangent, vec_set1(-ds[r])); /* -dS t */
            vec slope = vec_fma(tangent, less, each);      /* dS (1 - t^2) */
            grad_w = vec_sub(grad_w, less);
            grad_k = vec_add(grad_k, slope);
            grad_q[r] = vec_add(grad_q[r], slope);
        }
        if (t->grad_k) add_to(t->grad_k + n * t->grad_k_row, x, x->w, grad_k);
    }
#pragma GCC unroll 8
    for (int r = 0; r < queries; r++)
        if (t->grad_q) add_to(t->grad_q + (m + r) * t->grad_q_row, x, x->w, grad_q[r]);
    return grad_w;
}

static void add_dimensions(const backward_tile *t, const dimensions *x)
{
    vec grad_w = vec_zero();
    int64_t m = 0;
    for (; m + QUERIES_AT_ONCE <= t->queries; m += QUERIES_AT_ONCE)
        grad_w = vec_add(grad_w, add_queries(QUERIES_AT_ONCE, t, x, m));
    for (; m < t->queries; m++) grad_w = vec_add(grad_w, add_queries(1, t, x, m));
    if (t->grad_score_vector) add_to(t->grad_score_vector, x, vec_set1(1), grad_w);
}

void SIMD_NAMED(backward_additive)(const backward_tile *t)
{
    if (!t->grad_q && !t->grad_k && !t->grad_score_vector) return;
    for (int64_t d = 0; d < t->D; d += SIMD_LANES) {
        int part = part_at(t->D, d);
        add_dimensions(t, &(dimensions){d, part, vec_load_n(t->score_vector + d, part)});
    }
}
