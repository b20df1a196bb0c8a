#include "attention/array_check.h"
#include "attention/cache_runs.h"
#include "attention/decode_options.h"
#include "attention/decode_plan.h"
#include "attention/descriptor.h"
#include "attention/merge.h"
#include "attention/staged_rows.h"
#include "attention/visible.h"
#include "attn/attn.h"
#include "base/parallel.h"
#include "base/status.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

static attn_status plan_decode(const attn_desc *desc, const attn_cache *cache, decode_plan *plan, size_t *bytes)
{
    memset(plan, 0, sizeof *plan);
    attn_status status = descriptor_read(desc, &plan->d);
    if (!status) status = cache_read(cache, &plan->c);
    if (!status) status = decode_check_options(&plan->d, &plan->c);
    if (status) return status;
    const attn_desc *d = &plan->d;
    int64_t group = d->H / d->HK, most = d->T ? DECODE_ROWS / d->T : 1;
    plan->table = kernels_table();
    plan->block_heads = group < most ? group : most;
    return decode_plan_workspace(plan, bytes);
}

static attn_status check_arrays(const decode_plan *plan)
{
    const attn_desc *d = &plan->d;
    attn_status status = cache_check_arrays(&plan->c);
    if (!status) status = array_check_view("q", &d->q, d->dtype, d->B, d->H, d->T, d->D);
    if (!status) status = descriptor_check_lists(d);
    if (!status) status = descriptor_check_masks(d);
    if (!status) status = array_check_output("o", &d->o, d->dtype, d->B, d->H, d->T, d->DV);
    if (!status && d->lse.data) status = array_check_output("lse", &d->lse, ATTN_DTYPE_F32, d->B, d->H, d->T, 1);
    return status;
}

/* Only the pages that some query sees have to be there. */
static attn_status check_pages(const decode_plan *plan)
{
    attn_status status = ATTN_OK;
    for (int64_t b = 0; b < plan->d.B && !status; b++) {
        key_range seen = visible_keys_of(&plan->d, b, 0, plan->d.T);
        status = cache_check_pages(&plan->c, b, seen.first, seen.last);
    }
    return status;
}

/* What the kernel adds to the scores of a block of heads; whether any of its pairs is left, and in *modified whether
 * there is anything to add. */
static bool modify_block(const decode_plan *plan, int64_t b, int64_t head, int64_t heads, int64_t first, int64_t keys,
                         float *modification, bool *modified)
{
    const attn_desc *d = &plan->d;
    visible_kind kinds[DECODE_ROWS];
    bool any = false;
    *modified = false;
    for (int64_t n = 0; n < heads; n++) {
        float *at = modification + n * d->T * DECODE_CHUNK;
        kinds[n] = visible_tile(d, b, head + n, 0, d->T, first, keys, at, DECODE_CHUNK, 1);
        any |= kinds[n] != VISIBLE_NONE;
        *modified |= kinds[n] != VISIBLE_ALL;
    }
    for (int64_t n = 0; n < heads && *modified; n++) {
        if (visible_modifies(kinds[n])) continue;
        for (int64_t m = n * d->T; m < (n + 1) * d->T; m++)
            for (int64_t key = 0; key < keys; key++)
                modification[m * DECODE_CHUNK + key] = kinds[n] == VISIBLE_ALL ? 0 : -INFINITY;
    }
    return any;
}

/* The kernel for bf16 queries as they stand, by products of pairs of bf16, as in forward, or of bytes; NULL where there
 * is none, and queries become fp32. */
static decode_chunk_kernel *kernel_of_bf16(const decode_plan *plan)
{
    if (plan->d.dtype != ATTN_DTYPE_BF16) return NULL;
    if (plan->c.dtype == ATTN_DTYPE_BF16) return plan->table->decode_pairs;
    const bool bytes = plan->c.dtype == ATTN_DTYPE_INT8 && plan->d.D <= BYTES_MOST_D && plan->d.DV <= BYTES_MOST_DV;
    return bytes ? plan->table->decode_bytes : NULL;
}

/* The queries of x's heads, from `head` on: where they stand for products of bf16, else in fp32. */
static void find_queries(const decode_plan *plan, int64_t b, int64_t head, float *stage, decode_chunk *x)
{
    const attn_desc *d = &plan->d;
    const int64_t step = d->T * staged_row(d->D);
    if (kernel_of_bf16(plan)) {
        x->q_bf16 = d->D ? (const uint16_t *)d->q.data + b * d->q.batch + head * d->q.head : NULL;
        x->q_head = d->q.head, x->q_row = d->q.row;
        return;
    }
    x->q_head = staged_type(d->dtype) ? step : d->q.head;
    for (int64_t n = 0; n < x->heads; n++) {
        staged_rows q = staged_rows_read(plan->table, d->dtype, &d->q, b, head + n, 0, d->T, d->D, stage + n * step);
        if (n == 0) x->q = q.data, x->q_row = q.row;
    }
}

static void leave_out(const decode_chunk *x)
{
    for (int64_t h = 0; h < x->heads; h++)
        for (int64_t i = 0; i < x->queries; i++) {
            x->largest[h * x->sum_head + i * x->sum_row] = -INFINITY;
            x->sum[h * x->sum_head + i * x->sum_row] = 0;
        }
}

/* A chunk's keys of one key head: where its rows stand, and what multiplies them. None: nobody sees any. */
typedef struct chunk_rows {
    int64_t first, keys;
    const void **k, **v;
    float *k_scales, *v_scales; /* NULL: none */
} chunk_rows;

static chunk_rows find_rows(const decode_plan *plan, int64_t b, int64_t kv_head, int64_t chunk, char *piece)
{
    const attn_cache *c = &plan->c;
    const key_range seen = visible_keys_of(&plan->d, b, 0, plan->d.T);
    const bool scaled = c->dtype == ATTN_DTYPE_INT8;
    chunk_rows r = {.first = chunk * DECODE_CHUNK,
                    .k = (const void **)(piece + plan->k_rows),
                    .v = (const void **)(piece + plan->v_rows),
                    .k_scales = scaled && c->D ? (float *)(piece + plan->k_scales) : NULL,
                    .v_scales = scaled && c->DV ? (float *)(piece + plan->v_scales) : NULL};
    const int64_t keys = seen.last - r.first < DECODE_CHUNK ? seen.last - r.first : DECODE_CHUNK;
    if (keys <= 0 || seen.first >= r.first + keys) return r;
    r.keys = keys;
    cache_find_rows(c, &c->k, b, kv_head, r.first, r.keys + DECODE_SPARE, seen, r.k);
    cache_find_rows(c, &c->v, b, kv_head, r.first, r.keys, seen, r.v);
    memcpy(r.v + r.keys, r.k + r.keys, DECODE_SPARE * sizeof *r.v); /* behind both the rows of K that are wanted next */
    if (r.k_scales) cache_find_scales(c, &c->k_scales, b, kv_head, r.first, r.keys, seen, r.k_scales);
    if (r.v_scales) cache_find_scales(c, &c->v_scales, b, kv_head, r.first, r.keys, seen, r.v_scales);
    return r;
}

/* The chunk for as many heads, from `head` on, as go through the kernel together. */
static decode_chunk chunk_of(const decode_plan *plan, const chunk_rows *rows, int64_t b, int64_t head, int64_t heads,
                             int64_t chunk, char *piece)
{
    const attn_desc *d = &plan->d;
    return (decode_chunk){.heads = heads,
                          .queries = d->T,
                          .keys = rows->keys,
                          .D = d->D,
                          .DV = d->DV,
                          .scale = d->scale,
                          .softcap = d->softcap,
                          .near = plan->near,
                          .far = plan->far,
                          .type = plan->c.dtype,
                          .k = rows->k,
                          .v = rows->v,
                          .k_scales = rows->k_scales,
                          .v_scales = rows->v_scales,
                          .o = output_at(&plan->part_o, b, head, 0) + chunk * plan->o_step,
                          .o_head = plan->part_o.head,
                          .o_row = plan->part_o.row,
                          .largest = output_at(&plan->part_largest, b, head, 0) + chunk * plan->sum_step,
                          .sum = output_at(&plan->part_sum, b, head, 0) + chunk * plan->sum_step,
                          .sum_head = plan->part_sum.head,
                          .sum_row = plan->part_sum.row,
                          .scratch = (float *)piece};
}

static void decode_item(const decode_plan *plan, int64_t item, char *piece)
{
    const attn_desc *d = &plan->d;
    const int64_t chunk = item % plan->chunks, kv_head = item / plan->chunks % d->HK, b = item / plan->chunks / d->HK;
    const int64_t group = d->H / d->HK;
    const chunk_rows rows = find_rows(plan, b, kv_head, chunk, piece);
    float *modification = (float *)(piece + plan->modification);
    for (int64_t n = 0; n < group; n += plan->block_heads) {
        const int64_t head = kv_head * group + n, heads = group - n < plan->block_heads ? group - n : plan->block_heads;
        decode_chunk x = chunk_of(plan, &rows, b, head, heads, chunk, piece);
        bool modified = false;
        if (!rows.keys || !modify_block(plan, b, head, heads, rows.first, rows.keys, modification, &modified)) {
            leave_out(&x);
            continue;
        }
        x.modification = modified ? modification : NULL;
        find_queries(plan, b, head, (float *)(piece + plan->q), &x);
        decode_chunk_kernel *kernel = kernel_of_bf16(plan);
        (kernel ? kernel : plan->table->decode_chunk)(&x);
    }
}

static void decode_task(void *argument, int64_t task, int worker)
{
    const decode_plan *plan = argument;
    char *piece = plan->workspace + plan->workers + (size_t)worker * plan->worker;
    int64_t first = task * plan->task_items, left = plan->items - first;
    for (int64_t n = 0; n < left && n < plan->task_items; n++) decode_item(plan, first + n, piece);
}

/* One head's rows of O, rounded to d's type from where they were merged. */
static void narrow_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const decode_plan *plan = argument;
    const attn_desc *d = &plan->d;
    const int64_t b = task / d->H, head = task % d->H;
    plan->table->narrow_rows(
        &(element_rows){.type = d->dtype,
                        .count = d->DV ? d->T : 0,
                        .columns = d->DV,
                        .elements = d->DV ? (uint16_t *)d->o.data + b * d->o.batch + head * d->o.head : NULL,
                        .elements_row = d->o.row,
                        .floats = output_at(&plan->part_o, b, head, 0),
                        .floats_row = plan->part_o.row});
}

static void merge_chunks(decode_plan *plan, const attn_part *parts)
{
    const attn_view *sums = (const attn_view *)(plan->workspace + plan->views);
    const int64_t count = plan->chunks + (plan->d.sinks != NULL);
    attn_desc merged = plan->d;
    if (!staged_type(merged.dtype)) {
        merge_parts(&merged, parts, sums, count);
        return;
    }
    merged.dtype = ATTN_DTYPE_F32, merged.o = plan->part_o;
    merge_parts(&merged, parts, sums, count);
    parallel_run(&plan->d.parallel, plan->d.B * plan->d.H, narrow_task, plan);
}

attn_status attn_decode_workspace_size(const attn_desc *desc, const attn_cache *cache, size_t *size)
{
    decode_plan plan;
    size_t bytes = 0;
    attn_status status = size ? plan_decode(desc, cache, &plan, &bytes)
                              : status_fail(ATTN_ERROR_ARGUMENT, "size is NULL, expected where to put the size");
    if (!status) *size = bytes;
    return status;
}

attn_status attn_decode(const attn_desc *desc, const attn_cache *cache, void *workspace, size_t workspace_size)
{
    decode_plan plan;
    size_t bytes = 0;
    attn_status status = plan_decode(desc, cache, &plan, &bytes);
    if (!status) status = check_arrays(&plan);
    if (!status) status = array_check_workspace(workspace, workspace_size, bytes);
    if (status || !bytes) return status;
    attn_part *parts = decode_lay_out(&plan, workspace);
    status = check_pages(&plan);
    if (status) return status;
    int64_t tasks = plan.items / plan.task_items + (plan.items % plan.task_items != 0);
    parallel_run(&plan.d.parallel, tasks, decode_task, &plan);
    merge_chunks(&plan, parts);
    return ATTN_OK;
}
