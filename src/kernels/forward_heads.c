/* Forward attention of one query in several heads, whose keys lie beside each other: a row of K is read once for all of
 * them, as memory has it, where forward_rows.c comes back to it for each. It gives forward_rows.c's bits. scratch:
 * scores [head][FORWARD_CHUNK], what each head's O is yet to be multiplied by. */
#include "kernels/kernels.h"
#include "kernels/row_softmax.h"
#include "kernels/simd_product.h"

#define KEYS_AT_ONCE 4

/* Vectors of O that are summed side by side, twice. */
#define VECTORS_AT_ONCE (SIMD_REGISTERS == 32 ? 8 : 4)

extern forward_heads_kernel SIMD_NAMED(forward_heads);

INLINE void score_keys(const int keys, const forward_heads *x, int64_t n)
{
    for (int64_t h = 0; h < x->heads; h++)
        product_along(keys, x->q + h * x->D, x->k + n * x->k_row + h * x->D, x->k_row, x->D, x->scale,
                      x->scratch + h * FORWARD_CHUNK + n);
}

/* Scores to weights; the heads' log-sum-exps. */
static void weigh_heads(const forward_heads *x, float *factors)
{
    for (int64_t h = 0; h < x->heads; h++) {
        float *scores = x->scratch + h * FORWARD_CHUNK;
        const float largest = modify_row(x->softcap, scores, x->keys, NULL, -INFINITY);
        const float sum = weigh_row(scores, x->keys, largest);
        factors[h] = sum == 0 ? 0 : 1 / sum;
        if (x->lse) x->lse[h * x->lse_head] = largest + first_lane(vec_log(vec_set1(sum)));
    }
}

/* Columns c .. of all heads' O: even and odd keys in chains of their own. */
INLINE void add_values(const int vectors, const forward_heads *x, const float *factors, int64_t c)
{
    vec even[VECTORS_AT_ONCE], odd[VECTORS_AT_ONCE];
    const float *weights[VECTORS_AT_ONCE], *value = x->v + c;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
        even[v] = odd[v] = vec_zero();
        weights[v] = x->scratch + (c + v * SIMD_LANES) / x->DV * FORWARD_CHUNK;
    }
    int64_t n = 0;
    for (; n + 2 <= x->keys; n += 2, value += 2 * x->v_row) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            even[v] = vec_fma(vec_set1(weights[v][n]), vec_load(value + v * SIMD_LANES), even[v]);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++)
            odd[v] = vec_fma(vec_set1(weights[v][n + 1]), vec_load(value + x->v_row + v * SIMD_LANES), odd[v]);
    }
    const int left = n < x->keys ? vectors : 0;
#pragma GCC unroll 8
    for (int v = 0; v < left; v++)
        even[v] = vec_fma(vec_set1(weights[v][n]), vec_load(value + v * SIMD_LANES), even[v]);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
        const vec factor = vec_set1(factors[(c + v * SIMD_LANES) / x->DV]);
        vec_store(x->o + c + v * SIMD_LANES, vec_mul(vec_add(even[v], odd[v]), factor));
    }
}

void SIMD_NAMED(forward_heads)(const forward_heads *x)
{
    float *factors = x->scratch + x->heads * FORWARD_CHUNK;
    int64_t n = 0, c = 0;
    const int64_t columns = x->heads * x->DV;
    for (; n + KEYS_AT_ONCE <= x->keys; n += KEYS_AT_ONCE) score_keys(KEYS_AT_ONCE, x, n);
    for (; n < x->keys; n++) score_keys(1, x, n);
    weigh_heads(x, factors);
    for (; c + VECTORS_AT_ONCE * SIMD_LANES <= columns; c += VECTORS_AT_ONCE * SIMD_LANES)
        add_values(VECTORS_AT_ONCE, x, factors, c);
    for (; c < columns; c += SIMD_LANES) add_values(1, x, factors, c);
}
