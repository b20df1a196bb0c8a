/* Forward attention in rows: for fewer queries than lanes would pay for, as in decoding, and for additive scores, whose
 * hyperbolic tangents cost so much more than the rest that any layout will do. Dimensions lie in lanes, so each row of
 * K and V is read as it stands. scratch: scores [query][FORWARD_CHUNK], largest, sum [query], O [query][DV]. */
#include "kernels/additive_score.h"
#include "kernels/kernels.h"
#include "kernels/row_softmax.h"
#include "kernels/simd_product.h"

#include <math.h>

/* Keys whose products with a query run side by side, and vectors of O that are summed side by side: enough chains to
 * hide the latency of a multiply-add. */
#define KEYS_AT_ONCE 4
#define VECTORS_AT_ONCE 4

extern forward_begin_kernel SIMD_NAMED(forward_rows_begin);
extern forward_step_kernel SIMD_NAMED(forward_rows_step);
extern forward_finish_kernel SIMD_NAMED(forward_rows_finish);

typedef struct rows {
    float *scores, *largest, *sum, *o;
} rows;

static rows rows_of(const forward_block *block)
{
    float *scores = block->scratch;
    float *largest = scores + FORWARD_ROW_QUERIES * FORWARD_CHUNK;
    return (rows){scores, largest, largest + FORWARD_ROW_QUERIES, largest + 2 * FORWARD_ROW_QUERIES};
}

void SIMD_NAMED(forward_rows_begin)(const forward_block *block)
{
    rows r = rows_of(block);
    for (int64_t m = 0; m < block->queries; m++) {
        r.largest[m] = forward_sink(block);
        r.sum[m] = forward_sink_sum(r.largest[m]);
    }
    for (int64_t c = 0; c < block->queries * block->DV; c++) r.o[c] = 0;
}

static void multiply_chunk(const forward_block *block, const forward_chunk *chunk, const float *q, float *scores)
{
    const float *k = chunk->k;
    int64_t n = 0, row = chunk->k_row;
    for (; n + KEYS_AT_ONCE <= chunk->keys; n += KEYS_AT_ONCE)
        product_along(KEYS_AT_ONCE, q, k + n * row, row, block->D, block->scale, scores + n);
    for (; n < chunk->keys; n++) product_along(1, q, k + n * row, row, block->D, block->scale, scores + n);
}

static void bend_chunk(const forward_block *block, const forward_chunk *chunk, const float *q, float *scores)
{
    const float *w = block->score_vector, *k = chunk->k;
    int64_t n = 0, row = chunk->k_row;
    for (; n + ADDITIVE_ROWS <= chunk->keys; n += ADDITIVE_ROWS)
        additive_score(ADDITIVE_ROWS, w, q, k + n * row, row, block->D, scores + n, NULL, 0);
    for (; n < chunk->keys; n++) additive_score(1, w, q, k + n * row, row, block->D, scores + n, NULL, 0);
}

/* The scores of one query; returns the largest of them and `largest`. */
static float score(const forward_block *block, const forward_chunk *chunk, int64_t m, const float *modification,
                   float *scores, float largest)
{
    (block->score_vector ? bend_chunk : multiply_chunk)(block, chunk, block->q + m * block->q_row, scores);
    if (!block->function.call) return modify_row(block->softcap, scores, chunk->keys, modification, largest);
    if (block->softcap > 0) modify_row(block->softcap, scores, chunk->keys, NULL, largest);
    score_function_call(&block->function, m, 1, chunk->key, chunk->keys, scores, NULL, FORWARD_CHUNK, 1);
    return modify_row(0, scores, chunk->keys, modification, largest);
}

/* sum[v] += the weight of key n * its value's columns from c on, unless it is masked: then its value may be NaN. */
INLINE void add_value(const int vectors, const forward_block *block, const forward_chunk *chunk, const float *p,
                      const float *modification, int64_t n, int64_t c, vec *sum)
{
    if (n >= chunk->keys || (modification && modification[n] == -INFINITY)) return;
    const float *value = chunk->v + n * chunk->v_row + c;
    vec weight = vec_set1(p[n]);
    for (int v = 0; v < vectors; v++)
        sum[v] = vec_fma(weight, load_part(value + v * SIMD_LANES, part_at(block->DV - c, v * SIMD_LANES)), sum[v]);
}

/* Columns c .. of O: shrunk, then the weighted values added, even and odd keys in chains of their own. */
INLINE void add_values(const int vectors, const forward_block *block, const forward_chunk *chunk, const float *p,
                       const float *modification, float shrink, int64_t c, float *o)
{
    vec even[VECTORS_AT_ONCE], odd[VECTORS_AT_ONCE];
    for (int v = 0; v < vectors; v++) {
        vec before = load_part(o + c + v * SIMD_LANES, part_at(block->DV - c, v * SIMD_LANES));
        even[v] = vec_mul(before, vec_set1(shrink));
        odd[v] = vec_zero();
    }
    for (int64_t n = 0; n < chunk->keys; n += 2) {
        add_value(vectors, block, chunk, p, modification, n, c, even);
        add_value(vectors, block, chunk, p, modification, n + 1, c, odd);
    }
    for (int v = 0; v < vectors; v++)
        vec_store_n(o + c + v * SIMD_LANES, vec_add(even[v], odd[v]), part_at(block->DV - c, v * SIMD_LANES));
}

/* The chunk for query m. */
static void step_query(const forward_block *block, const forward_chunk *chunk, const rows *r, int64_t m)
{
    float *p = r->scores + m * FORWARD_CHUNK, *o = r->o + m * block->DV, before = r->largest[m];
    const float *modification = chunk->modification ? chunk->modification + m * FORWARD_CHUNK : NULL;
    float largest = score(block, chunk, m, modification, p, before), sum = weigh_row(p, chunk->keys, largest);
    bool same = largest == before || before == -INFINITY;
    float shrink = same ? 1 : first_lane(vec_exp(vec_set1(before - largest)));
    r->largest[m] = largest;
    r->sum[m] = r->sum[m] * shrink + sum;
    for (int64_t n = 0; chunk->dropout && n < chunk->keys; n++) p[n] *= chunk->dropout[m * FORWARD_CHUNK + n];
    int64_t c = 0;
    for (; c + 4 * SIMD_LANES <= block->DV; c += 4 * SIMD_LANES)
        add_values(4, block, chunk, p, modification, shrink, c, o);
    for (; c + 2 * SIMD_LANES <= block->DV; c += 2 * SIMD_LANES)
        add_values(2, block, chunk, p, modification, shrink, c, o);
    for (; c < block->DV; c += SIMD_LANES) add_values(1, block, chunk, p, modification, shrink, c, o);
}

void SIMD_NAMED(forward_rows_step)(const forward_block *block, const forward_chunk *chunk)
{
    rows r = rows_of(block);
    for (int64_t m = 0; m < block->queries; m++) step_query(block, chunk, &r, m);
}

void SIMD_NAMED(forward_rows_finish)(const forward_block *block)
{
    rows r = rows_of(block);
    for (int64_t m = 0; m < block->queries; m++) {
        float *out = block->o + m * block->o_row;
        vec factor = vec_set1(r.sum[m] == 0 ? 0 : 1 / r.sum[m]);
        for (int64_t c = 0; c < block->DV; c += SIMD_LANES) {
            int part = part_at(block->DV, c);
            vec_store_n(out + c, vec_mul(load_part(r.o + m * block->DV + c, part), factor), part);
        }
        if (block->lse) block->lse[m * block->lse_row] = r.largest[m] + first_lane(vec_log(vec_set1(r.sum[m])));
    }
}
