/* Double backward's row sums and tiles; double_tile.h gives the contract. */
#include "kernels/double_tile.h"
#include "kernels/simd_math.h"
#include "kernels/simd_product.h"
#include "kernels/soft_cap.h"

#include <math.h>

extern double_sums_kernel SIMD_NAMED(double_sums);
extern double_scores_kernel SIMD_NAMED(double_scores);

/* One vector of pairs: the header's letters. */
typedef struct pairs {
    vec p, m, a, e, r;
    vec slope, curve_g; /* f'(s); f''(s) g */
    vmask masked;
} pairs;

INLINE pairs read_pairs(const double_tile *t, int64_t at, int64_t query)
{
    const backward_tile *f = t->first;
    const vec scale = vec_set1(f->scale), one = vec_set1(1), minus_lse = vec_load(f->minus_lse + query);
    vec x = vec_load(f->p_t + at), g = vec_mul(vec_load(t->ds_t + at), scale);
    pairs out = {.m = f->dropout ? vec_load(f->dropout + at) : one, .masked = mask_first(0)};
    out.a = vec_mul(vec_load(f->ds_t + at), out.m);
    out.e = vec_mul(vec_load(t->by_s_t + at), out.m);
    if (f->softcap > 0) {
        const soft_cap cap = soft_cap_of(f->softcap);
        const vec bent = soft_cap_tanh(&cap, vec_mul(x, scale));
        out.slope = vec_sub(one, vec_mul(bent, bent));
        out.curve_g = vec_mul(vec_mul(vec_set1(-2 / f->softcap), vec_mul(bent, out.slope)), g);
        out.r = vec_mul(out.slope, g);
        x = vec_fma(bent, cap.cap, minus_lse);
    } else {
        out.slope = one, out.curve_g = vec_zero(), out.r = g;
        x = vec_fma(x, scale, minus_lse);
    }
    if (t->bias_t) out.r = vec_add(out.r, vec_load(t->bias_t + at));
    if (f->modification) {
        vec change = vec_load(f->modification + at);
        out.masked = vec_equal(change, vec_set1(-INFINITY));
        x = vec_add(x, change);
    }
    out.p = vec_exp(x);
    return out;
}

/* What is masked may be anything, and 0 times it NaN. */
INLINE vec kept(const pairs *x, vec value)
{
    return vec_select(x->masked, vec_zero(), value);
}

INLINE void add_sums(const double_tile *t, int64_t key, int64_t rows, int64_t query)
{
    vec rho = vec_load(t->rho + query), sigma = vec_load(t->sigma + query);
    for (int64_t n = key; n < key + rows; n++) {
        pairs x = read_pairs(t, n * BACKWARD_QUERIES + query, query);
        rho = vec_add(rho, kept(&x, vec_mul(x.p, x.r)));
        sigma = vec_add(sigma, kept(&x, vec_mul(x.p, vec_fma(x.a, x.r, x.e))));
    }
    vec_store(t->rho + query, rho);
    vec_store(t->sigma + query, sigma);
}

INLINE void fill_tiles(const double_tile *t, int64_t at, int64_t query)
{
    const backward_tile *f = t->first;
    const vec scale = vec_set1(f->scale), rho = vec_load(t->rho + query);
    const pairs x = read_pairs(t, at, query);
    const vec above = vec_sub(x.a, vec_load(f->delta + query)), ds = vec_mul(x.p, above);
    const vec by_a = vec_mul(x.p, vec_sub(x.r, rho));
    vec by_p = vec_fma(above, x.r, vec_sub(x.e, vec_mul(rho, x.a)));
    vec by_s = vec_mul(x.p, vec_sub(by_p, vec_load(t->sigma + query)));
    if (t->bias_t) vec_store(t->bias_t + at, kept(&x, by_s));
    by_s = vec_fma(by_s, x.slope, vec_mul(ds, x.curve_g));
    vec_store(f->p_t + at, kept(&x, vec_mul(x.p, x.m)));
    vec_store(f->ds_t + at, kept(&x, vec_mul(by_a, x.m)));
    vec_store(t->ds_t + at, kept(&x, vec_mul(vec_mul(ds, x.slope), scale)));
    vec_store(t->by_s_t + at, kept(&x, vec_mul(by_s, scale)));
}

/* The products of keys key .. key + R - 1 and V vectors of queries, and what becomes of them. */
INLINE void score_tile(const int R, const int V, const bool sums, const double_tile *t, int64_t key, int64_t query)
{
    const backward_tile *f = t->first;
    const int64_t at = key * BACKWARD_QUERIES + query;
    const float *k = f->k + key * f->k_row, *q_t = f->q_t + query, *grad_o_t = f->grad_o_t + query;
    const product_factors s = {k, f->k_row, 1, q_t, BACKWARD_QUERIES, f->D};
    const product_factors a = {f->v + key * f->v_row, f->v_row, 1, grad_o_t, BACKWARD_QUERIES, f->DV};
    product_factors g[2], e = {NULL, 0, 0, NULL, 0, 0};
    int terms = 0;
    if (t->u_t) g[terms++] = (product_factors){k, f->k_row, 1, t->u_t + query, BACKWARD_QUERIES, f->D};
    if (t->w) g[terms++] = (product_factors){t->w + key * t->w_row, t->w_row, 1, q_t, BACKWARD_QUERIES, f->D};
    if (t->y) e = (product_factors){t->y + key * t->y_row, t->y_row, 1, grad_o_t, BACKWARD_QUERIES, f->DV};
    product_tile(R, V, &s, 1, f->p_t + at, BACKWARD_QUERIES);
    product_tile(R, V, &a, 1, f->ds_t + at, BACKWARD_QUERIES);
    product_tile(R, V, g, terms, t->ds_t + at, BACKWARD_QUERIES);
    product_tile(R, V, &e, 1, t->by_s_t + at, BACKWARD_QUERIES);
    for (int64_t v = 0; v < V; v++) {
        int64_t lanes = v * SIMD_LANES;
        if (sums) add_sums(t, key, R, query + lanes);
        for (int64_t r = 0; r < R && !sums; r++) fill_tiles(t, at + r * BACKWARD_QUERIES + lanes, query + lanes);
    }
}

INLINE void score_keys(const int V, const bool sums, const double_tile *t, int64_t query)
{
    int64_t key = 0, keys = t->first->keys;
    for (; key + PRODUCT_ROWS(V) <= keys; key += PRODUCT_ROWS(V)) score_tile(PRODUCT_ROWS(V), V, sums, t, key, query);
    for (; key < keys; key++) score_tile(1, V, sums, t, key, query);
}

INLINE void score(const bool sums, const double_tile *t)
{
    int64_t query = 0, vectors = (t->first->queries + SIMD_LANES - 1) / SIMD_LANES;
    for (; vectors >= PRODUCT_VECTORS; vectors -= PRODUCT_VECTORS) {
        score_keys(PRODUCT_VECTORS, sums, t, query);
        query += PRODUCT_VECTORS * SIMD_LANES;
    }
    for (; vectors > 0; vectors--, query += SIMD_LANES) score_keys(1, sums, t, query);
}

void SIMD_NAMED(double_sums)(const double_tile *t)
{
    score(true, t);
}

void SIMD_NAMED(double_scores)(const double_tile *t)
{
    score(false, t);
}
