/* Forward attention in rows: for fewer queries than lanes would pay for, as in decoding. Dimensions lie in lanes, so
 * each row of K and V is read as it stands. scratch: scores [query][FORWARD_CHUNK], m, l [query], O [query][DV]. */
#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/simd_math.h"

#include <math.h>

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
    for (int64_t m = 0; m < block->queries; m++) r.largest[m] = -INFINITY, r.sum[m] = 0;
    for (int64_t c = 0; c < block->queries * block->DV; c++) r.o[c] = 0;
}

static float dot(const float *a, const float *b, int64_t n)
{
    vec sum = vec_zero();
    int64_t i = 0;
    for (; i + SIMD_LANES <= n; i += SIMD_LANES) sum = vec_fma(vec_load(a + i), vec_load(b + i), sum);
    if (i < n) sum = vec_fma(vec_load_n(a + i, (int)(n - i)), vec_load_n(b + i, (int)(n - i)), sum);
    return vec_sum(sum);
}

/* out += p * v */
static void accumulate(float *out, float p, const float *v, int64_t n)
{
    vec weight = vec_set1(p);
    int64_t i = 0;
    for (; i + SIMD_LANES <= n; i += SIMD_LANES)
        vec_store(out + i, vec_fma(weight, vec_load(v + i), vec_load(out + i)));
    if (i == n) return;
    int rest = (int)(n - i);
    vec_store_n(out + i, vec_fma(weight, vec_load_n(v + i, rest), vec_load_n(out + i, rest)), rest);
}

static vec modified(const forward_block *block, vec score, const float *modification, int n)
{
    if (block->softcap > 0) {
        vec cap = vec_set1(block->softcap);
        score = vec_mul(cap, vec_tanh(vec_div(score, cap)));
    }
    if (!modification) return score;
    vec change = vec_load_n(modification, n), masked = vec_set1(-INFINITY);
    return vec_select(vec_equal(change, masked), masked, vec_add(score, change));
}

/* The scores of one query, in place from dot products; returns the largest with `largest`. */
static float score(const forward_block *block, const forward_chunk *chunk, int64_t m, float *scores, float largest)
{
    const float *q = block->q + m * block->q_row;
    for (int64_t n = 0; n < chunk->keys; n++) scores[n] = block->scale * dot(q, chunk->k + n * chunk->k_row, block->D);
    vec most = vec_set1(largest);
    for (int64_t n = 0; n < chunk->keys; n += SIMD_LANES) {
        int rest = (int)(chunk->keys - n);
        const float *modification = chunk->modification ? chunk->modification + m * FORWARD_CHUNK + n : NULL;
        vec s = modified(block, vec_load_n(scores + n, rest), modification, rest);
        vec_store_n(scores + n, s, rest);
        most = vec_max(vec_select(mask_first(rest), s, most), most);
    }
    return vec_largest(most);
}

/* scores to exp(score - largest); returns their sum. */
static float weigh(float *scores, int64_t keys, float largest)
{
    vec sum = vec_zero(), base = vec_set1(largest == -INFINITY ? 0 : largest);
    for (int64_t n = 0; n < keys; n += SIMD_LANES) {
        int rest = (int)(keys - n);
        vec p = vec_exp(vec_sub(vec_load_n(scores + n, rest), base));
        vec_store_n(scores + n, p, rest);
        sum = vec_add(sum, vec_select(mask_first(rest), p, vec_zero()));
    }
    return vec_sum(sum);
}

void SIMD_NAMED(forward_rows_step)(const forward_block *block, const forward_chunk *chunk)
{
    rows r = rows_of(block);
    for (int64_t m = 0; m < block->queries; m++) {
        float *p = r.scores + m * FORWARD_CHUNK, *o = r.o + m * block->DV, before = r.largest[m];
        float largest = score(block, chunk, m, p, before);
        float sum = weigh(p, chunk->keys, largest);
        if (largest != before && before != -INFINITY) {
            float shrink = expf(before - largest);
            r.sum[m] *= shrink;
            for (int64_t c = 0; c < block->DV; c++) o[c] *= shrink;
        }
        r.largest[m] = largest;
        r.sum[m] += sum;
        const float *modification = chunk->modification ? chunk->modification + m * FORWARD_CHUNK : NULL;
        const float *dropout = chunk->dropout ? chunk->dropout + m * FORWARD_CHUNK : NULL;
        for (int64_t n = 0; n < chunk->keys; n++) {
            if (modification && modification[n] == -INFINITY) continue; /* its value may be NaN */
            accumulate(o, dropout ? p[n] * dropout[n] : p[n], chunk->v + n * chunk->v_row, block->DV);
        }
    }
}

void SIMD_NAMED(forward_rows_finish)(const forward_block *block)
{
    rows r = rows_of(block);
    for (int64_t m = 0; m < block->queries; m++) {
        float *out = block->o + m * block->o_row;
        float factor = r.sum[m] == 0 ? 0 : 1 / r.sum[m];
        for (int64_t c = 0; c < block->DV; c++) out[c] = r.o[m * block->DV + c] * factor;
        if (block->lse) block->lse[m * block->lse_row] = r.largest[m] + logf(r.sum[m]);
    }
}
