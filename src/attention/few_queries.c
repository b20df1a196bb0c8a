#include "attention/few_queries.h"

#include "attention/cache_runs.h"
#include "attention/elements.h"
#include "attention/staged_rows.h"
#include "attention/workspace_pieces.h"

#include <math.h>
#include <string.h>

/* Bytes of a call's K and V that the second cache holds. Asking memory for them takes time of its own, and spares
 * little where they are not there. */
#define NEAR_BYTES (1 << 20)

/* And that the third cache does not: of fp32, for which another loop is then taken, more than these. */
#define FAR_BYTES (1 << 25)

bool few_queries_plan(few_queries *x, const attn_desc *d, attn_dtype keys, int64_t rows, size_t *bytes)
{
    const int64_t scales = keys == ATTN_DTYPE_INT8 ? DECODE_CHUNK : 0, pointers = DECODE_CHUNK + DECODE_SPARE;
    int64_t q_floats;
    size_t scratch;
    *x = (few_queries){.table = kernels_table()};
    return checked_mul_i64(rows, staged_type(d->dtype) ? staged_row(d->D) : 0, &q_floats) &&
           workspace_add(bytes, (int64_t)decode_scratch((size_t)rows), sizeof(float), &scratch) &&
           workspace_add(bytes, rows * DECODE_CHUNK, sizeof(float), &x->modification) &&
           workspace_add(bytes, q_floats, sizeof(float), &x->q) &&
           workspace_add(bytes, pointers, sizeof(void *), &x->k_rows) &&
           workspace_add(bytes, pointers, sizeof(void *), &x->v_rows) &&
           workspace_add(bytes, scales, sizeof(float), &x->k_scales) &&
           workspace_add(bytes, scales, sizeof(float), &x->v_scales);
}

void few_queries_measure(few_queries *x, const attn_desc *d, attn_dtype keys, double count)
{
    const double rows = (double)d->HK * count;
    const double bytes = rows * ((double)d->D + (double)d->DV) * (double)element_size(keys);
    x->near = bytes <= NEAR_BYTES, x->far = keys == ATTN_DTYPE_F32 ? bytes > FAR_BYTES : bytes >= FAR_BYTES;
}

/* What the kernel adds to the scores; whether any of its pairs is left, and in *modified whether there is anything to
 * add. */
static bool modify(const few_place *p, int64_t keys, float *modification, bool *modified)
{
    const attn_desc *d = p->d;
    visible_kind kinds[DECODE_ROWS];
    bool any = false;
    *modified = false;
    for (int64_t n = 0; n < p->heads; n++) {
        float *at = modification + n * d->T * DECODE_CHUNK;
        kinds[n] = visible_tile(d, p->b, p->head + n, 0, d->T, p->first, keys, at, DECODE_CHUNK, 1);
        any |= kinds[n] != VISIBLE_NONE;
        *modified |= kinds[n] != VISIBLE_ALL;
    }
    for (int64_t n = 0; n < p->heads && *modified; n++) {
        if (visible_modifies(kinds[n])) continue;
        for (int64_t m = n * d->T; m < (n + 1) * d->T; m++)
            for (int64_t key = 0; key < keys; key++)
                modification[m * DECODE_CHUNK + key] = kinds[n] == VISIBLE_ALL ? 0 : -INFINITY;
    }
    return any;
}

/* The kernel for bf16 queries as they stand, by products of pairs of bf16, as in forward, or of bytes; NULL where there
 * is none, and queries become fp32. */
static decode_chunk_kernel *kernel_of_bf16(const few_queries *x, const few_place *p)
{
    const attn_desc *d = p->d;
    if (d->dtype != ATTN_DTYPE_BF16) return NULL;
    if (p->c->dtype == ATTN_DTYPE_BF16) return x->table->decode_pairs;
    const bool bytes = p->c->dtype == ATTN_DTYPE_INT8 && d->D <= BYTES_MOST_D && d->DV <= BYTES_MOST_DV;
    return bytes ? x->table->decode_bytes : NULL;
}

static void find_bf16_queries(const few_place *p, decode_chunk *chunk)
{
    const attn_desc *d = p->d;
    chunk->q_bf16 = d->D ? bf16_at(&d->q, p->b, p->head, 0) : NULL;
    chunk->q_head = d->q.head, chunk->q_row = d->q.row;
}

/* In fp32. */
static void find_queries(const few_queries *x, const few_place *p, float *stage, decode_chunk *chunk)
{
    const attn_desc *d = p->d;
    const int64_t step = d->T * staged_row(d->D);
    chunk->q_head = staged_type(d->dtype) ? step : d->q.head;
    for (int64_t n = 0; n < p->heads; n++) {
        const staged_rows q =
            staged_rows_read(x->table, d->dtype, &d->q, p->b, p->head + n, 0, d->T, d->D, stage + n * step);
        if (n == 0) chunk->q = q.data, chunk->q_row = q.row;
    }
}

/* The scales of the chunk's rows, put side by side; NULL where there are none. */
static const float *find_scales(const few_place *p, const attn_output *scales, int64_t columns, int64_t kv_head,
                                int64_t keys, float *out)
{
    if (p->c->dtype != ATTN_DTYPE_INT8 || !columns) return NULL;
    cache_find_scales(p->c, scales, p->b, kv_head, p->first, keys, p->seen, out);
    return out;
}

static void find_keys(const few_queries *x, const few_place *p, decode_chunk *chunk, char *piece)
{
    const attn_cache *c = p->c;
    const int64_t kv_head = p->head / (p->d->H / p->d->HK), keys = chunk->keys;
    const void **k = (const void **)(piece + x->k_rows), **v = (const void **)(piece + x->v_rows);
    cache_find_rows(c, &c->k, p->b, kv_head, p->first, keys + DECODE_SPARE, p->seen, k);
    cache_find_rows(c, &c->v, p->b, kv_head, p->first, keys, p->seen, v);
    memcpy(v + keys, k + keys, DECODE_SPARE * sizeof *v); /* behind both the rows of K that are wanted next */
    chunk->k = k, chunk->v = v;
    chunk->k_scales = find_scales(p, &c->k_scales, chunk->D, kv_head, keys, (float *)(piece + x->k_scales));
    chunk->v_scales = find_scales(p, &c->v_scales, chunk->DV, kv_head, keys, (float *)(piece + x->v_scales));
}

static void leave_out(const few_place *p, const few_part *part)
{
    for (int64_t h = 0; h < p->heads; h++)
        for (int64_t i = 0; i < p->d->T; i++) {
            part->largest[h * part->sum_head + i * part->sum_row] = -INFINITY;
            part->sum[h * part->sum_head + i * part->sum_row] = 0;
        }
}

void few_queries_run(const few_queries *x, const few_place *p, const few_part *part, char *piece)
{
    const attn_desc *d = p->d;
    const int64_t left = p->seen.last - p->first, keys = left < DECODE_CHUNK ? left : DECODE_CHUNK;
    float *modification = (float *)(piece + x->modification);
    bool modified = false;
    if (keys <= 0 || p->seen.first >= p->first + keys || !modify(p, keys, modification, &modified)) {
        leave_out(p, part);
        return;
    }
    decode_chunk chunk = {.heads = p->heads,
                          .queries = d->T,
                          .keys = keys,
                          .D = d->D,
                          .DV = d->DV,
                          .scale = d->scale,
                          .softcap = d->softcap,
                          .near = x->near,
                          .far = x->far,
                          .type = p->c->dtype,
                          .modification = modified ? modification : NULL,
                          .o = part->o,
                          .o_head = part->o_head,
                          .o_row = part->o_row,
                          .largest = part->largest,
                          .sum = part->sum,
                          .sum_head = part->sum_head,
                          .sum_row = part->sum_row,
                          .scratch = (float *)piece};
    find_keys(x, p, &chunk, piece);
    decode_chunk_kernel *of_bf16 = kernel_of_bf16(x, p);
    if (of_bf16)
        find_bf16_queries(p, &chunk);
    else
        find_queries(x, p, (float *)(piece + x->q), &chunk);
    (of_bf16 ? of_bf16 : x->table->decode_chunk)(&chunk);
}
