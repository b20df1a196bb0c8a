#include "attention/array_check.h"
#include "attention/cache_runs.h"
#include "attention/decode_options.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/merge.h"
#include "attention/staged_rows.h"
#include "attention/visible.h"
#include "attn/attn.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

/* How one call is cut: an item is a chunk of DECODE_CHUNK keys of one key head of one sequence with all queries of the
 * heads that share it, a task a run of items. Each chunk is a partial result, with its rows' largest scores and sums,
 * and the partial results are merged in the order of the keys, behind them the sinks as one more, each the largest of
 * a sum of 1, whose O is zeros. The workspace:
 *
 *     [query offsets (B) | parts, one a chunk and the sinks' | views of their sums | zeros (DV) | a sink's sum |
 *      the parts' O (chunk, B, H, T, DV) | their largest scores (chunk, B, H, T) | sums likewise | workers]
 *
 * and a worker's piece of it:
 *
 *     [kernel's scratch | modification | rows of Q made fp32 | rows of K | rows of V | their scales]
 *
 * Queries of bf16 and fp16 become fp32 there; their results are merged in fp32, in the first part's place, and rounded
 * from there. */
typedef struct decode_plan {
    attn_desc d;
    attn_cache c;
    const kernel_table *table;
    int64_t block_heads;                    /* whose queries go through the kernel together */
    int64_t chunks;                         /* of the longest sequence */
    size_t parts, views, zeros, one;        /* offsets into the workspace, in bytes */
    size_t o, largest, sum, workers;        /* more of them */
    size_t modification, q, k_rows, v_rows; /* offsets into a worker's piece, in bytes */
    size_t k_scales, v_scales, worker;      /* more of them, and its size */
    int64_t items, task_items;
    bool near, far; /* K and V are few, or many */
    char *workspace;
    attn_output part_o, part_largest, part_sum; /* the first part's */
    int64_t o_step, sum_step;                   /* from one part's to the next one's, largest scores' too */
} decode_plan;

/* Bytes of a call's K and V that the second cache holds. Asking memory for them takes time of its own, and spares
 * little where they are not there. */
#define NEAR_BYTES (1 << 20)

/* And that the third cache does not. */
#define FAR_BYTES (1 << 25)

/* Multiply-adds that make a task worth handing out: some microseconds. */
#define TASK_WORK (1 << 18)

static int64_t chunks_of(int64_t keys)
{
    return keys / DECODE_CHUNK + (keys % DECODE_CHUNK != 0);
}

/* Adds a piece of count * size bytes, begun on a line of its own; false when that does not fit. */
static bool add_piece(size_t *all, int64_t count, size_t size, size_t *offset)
{
    size_t bytes;
    *offset = *all;
    return checked_mul((size_t)count, size, &bytes) && checked_whole(bytes, ATTN_ALIGNMENT, &bytes) &&
           checked_add(*all, bytes, all) && *all <= PTRDIFF_MAX;
}

static attn_status plan_workspace(decode_plan *plan, size_t *bytes)
{
    const attn_desc *d = &plan->d;
    const int64_t rows = plan->block_heads * d->T, queries = d->B * d->H * d->T, chunks = chunks_of(d->S);
    *bytes = 0;
    if (!queries) return ATTN_OK; /* and nothing was held against D and DV */
    const int64_t parts = chunks ? chunks : 1, q_row = staged_type(d->dtype) ? staged_row(d->D) : 0;
    size_t offsets, worker = 0, scratch, all = 0;
    int64_t part_floats = 0, part_rows = 0, items, q_floats, workers = parallel_workers(&d->parallel);
    bool fits = checked_mul_i64(queries, parts, &part_rows) && checked_mul_i64(part_rows, d->DV, &part_floats) &&
                checked_mul_i64(d->B * d->HK, chunks, &items) && checked_mul_i64(rows, q_row, &q_floats);
    fits = fits && add_piece(&worker, (int64_t)decode_scratch((size_t)rows), sizeof(float), &scratch) &&
           add_piece(&worker, rows * DECODE_CHUNK, sizeof(float), &plan->modification) &&
           add_piece(&worker, q_floats, sizeof(float), &plan->q) &&
           add_piece(&worker, DECODE_CHUNK + DECODE_SPARE, sizeof(void *), &plan->k_rows) &&
           add_piece(&worker, DECODE_CHUNK + DECODE_SPARE, sizeof(void *), &plan->v_rows) &&
           add_piece(&worker, plan->c.dtype == ATTN_DTYPE_INT8 ? DECODE_CHUNK : 0, sizeof(float), &plan->k_scales) &&
           add_piece(&worker, plan->c.dtype == ATTN_DTYPE_INT8 ? DECODE_CHUNK : 0, sizeof(float), &plan->v_scales);
    plan->worker = worker;
    fits = fits && add_piece(&all, d->B, sizeof(int64_t), &offsets) &&
           add_piece(&all, chunks + 1, sizeof(attn_part), &plan->parts) &&
           add_piece(&all, chunks + 1, sizeof(attn_view), &plan->views) &&
           add_piece(&all, d->DV, sizeof(float), &plan->zeros) && add_piece(&all, 1, sizeof(float), &plan->one) &&
           add_piece(&all, part_floats, sizeof(float), &plan->o) &&
           add_piece(&all, part_rows, sizeof(float), &plan->largest) &&
           add_piece(&all, part_rows, sizeof(float), &plan->sum) &&
           add_piece(&all, items < workers ? items : workers, worker, &plan->workers);
    if (!fits)
        return status_fail(ATTN_ERROR_OVERFLOW,
                           "the workspace for B = %lld, H = %lld, T = %lld, S = %lld, D = %lld, DV = %lld does not fit",
                           (long long)d->B, (long long)d->H, (long long)d->T, (long long)d->S, (long long)d->D,
                           (long long)d->DV);
    *bytes = all;
    return ATTN_OK;
}

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
    return plan_workspace(plan, bytes);
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

/* The scales of a chunk's rows, put side by side; NULL where there are none. */
static const float *find_scales(const attn_cache *c, const attn_output *scales, int64_t columns, int64_t b,
                                int64_t kv_head, int64_t first, int64_t keys, key_range seen, float *out)
{
    if (c->dtype != ATTN_DTYPE_INT8 || !columns) return NULL;
    cache_find_scales(c, scales, b, kv_head, first, keys, seen, out);
    return out;
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

static void decode_item(const decode_plan *plan, int64_t item, char *piece)
{
    const attn_desc *d = &plan->d;
    const int64_t chunk = item % plan->chunks, kv_head = item / plan->chunks % d->HK, b = item / plan->chunks / d->HK;
    const int64_t first = chunk * DECODE_CHUNK, group = d->H / d->HK;
    const key_range seen = visible_keys_of(d, b, 0, d->T);
    const int64_t keys = seen.last - first < DECODE_CHUNK ? seen.last - first : DECODE_CHUNK;
    const bool empty = keys <= 0 || seen.first >= first + keys;
    float *modification = (float *)(piece + plan->modification);
    const void **k = (const void **)(piece + plan->k_rows), **v = (const void **)(piece + plan->v_rows);
    const float *k_scales = NULL, *v_scales = NULL;
    if (!empty) {
        const attn_cache *c = &plan->c;
        cache_find_rows(c, &c->k, b, kv_head, first, keys + DECODE_SPARE, seen, k);
        cache_find_rows(c, &c->v, b, kv_head, first, keys, seen, v);
        memcpy(v + keys, k + keys, DECODE_SPARE * sizeof *v); /* behind both the rows of K that are wanted next */
        k_scales = find_scales(c, &c->k_scales, d->D, b, kv_head, first, keys, seen, (float *)(piece + plan->k_scales));
        v_scales =
            find_scales(c, &c->v_scales, d->DV, b, kv_head, first, keys, seen, (float *)(piece + plan->v_scales));
    }
    for (int64_t n = 0; n < group; n += plan->block_heads) {
        const int64_t head = kv_head * group + n;
        decode_chunk x = {.heads = group - n < plan->block_heads ? group - n : plan->block_heads,
                          .queries = d->T,
                          .keys = keys,
                          .D = d->D,
                          .DV = d->DV,
                          .scale = d->scale,
                          .softcap = d->softcap,
                          .near = plan->near,
                          .far = plan->far,
                          .type = plan->c.dtype,
                          .k = k,
                          .v = v,
                          .k_scales = k_scales,
                          .v_scales = v_scales,
                          .o = output_at(&plan->part_o, b, head, 0) + chunk * plan->o_step,
                          .o_head = plan->part_o.head,
                          .o_row = plan->part_o.row,
                          .largest = output_at(&plan->part_largest, b, head, 0) + chunk * plan->sum_step,
                          .sum = output_at(&plan->part_sum, b, head, 0) + chunk * plan->sum_step,
                          .sum_head = plan->part_sum.head,
                          .sum_row = plan->part_sum.row,
                          .scratch = (float *)piece};
        bool modified = false;
        if (empty || !modify_block(plan, b, head, x.heads, first, keys, modification, &modified)) {
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

static attn_view view_of(const attn_output *x, int64_t floats)
{
    return (attn_view){(const float *)x->data + floats, x->batch, x->head, x->row};
}

static void lay_out_parts(const decode_plan *plan, attn_part *parts)
{
    const attn_desc *d = &plan->d;
    attn_view *sums = (attn_view *)(plan->workspace + plan->views);
    float *zeros = (float *)(plan->workspace + plan->zeros), *one = (float *)(plan->workspace + plan->one);
    for (int64_t n = 0; n < plan->chunks; n++) {
        parts[n].o = view_of(&plan->part_o, n * plan->o_step);
        parts[n].lse = view_of(&plan->part_largest, n * plan->sum_step);
        sums[n] = view_of(&plan->part_sum, n * plan->sum_step);
    }
    if (!d->sinks) return;
    if (d->DV) memset(zeros, 0, (size_t)d->DV * sizeof *zeros);
    *one = 1;
    parts[plan->chunks] = (attn_part){.o = {zeros, 0, 0, 0}, .lse = {d->sinks, 0, 1, 0}};
    sums[plan->chunks] = (attn_view){one, 0, 0, 0};
}

/* The workspace is the caller's: the offsets that nobody gave, and the parts' places, go there. */
static attn_part *lay_out(decode_plan *plan, char *workspace)
{
    attn_desc *d = &plan->d;
    int64_t *offsets = (int64_t *)workspace, longest = 0;
    attn_part *parts = (attn_part *)(workspace + plan->parts);
    plan->workspace = workspace;
    for (int64_t b = 0; b < d->B; b++) {
        offsets[b] = d->query_offsets ? d->query_offsets[b] : plan->c.lengths[b] - d->T;
        if (plan->c.lengths[b] > longest) longest = plan->c.lengths[b];
    }
    d->query_offsets = offsets;
    d->key_lengths = plan->c.lengths;
    plan->chunks = chunks_of(longest);
    plan->part_o = (attn_output){workspace + plan->o, d->H * d->T * d->DV, d->T * d->DV, d->DV};
    plan->part_largest = (attn_output){workspace + plan->largest, d->H * d->T, d->T, 1};
    plan->part_sum = (attn_output){workspace + plan->sum, d->H * d->T, d->T, 1};
    plan->o_step = d->B * plan->part_o.batch, plan->sum_step = d->B * plan->part_sum.batch;
    lay_out_parts(plan, parts);
    plan->items = d->B * d->HK * plan->chunks;
    const double rows = (double)d->B * (double)d->HK * (double)longest;
    const double bytes = rows * ((double)d->D + (double)d->DV) * (double)element_size(plan->c.dtype);
    plan->near = bytes <= NEAR_BYTES, plan->far = bytes > FAR_BYTES;
    int64_t keys = longest < DECODE_CHUNK ? longest : DECODE_CHUNK;
    double work = (double)keys * (double)d->T * (double)(d->H / d->HK) * ((double)d->D + (double)d->DV);
    plan->task_items = work >= TASK_WORK ? 1 : (int64_t)(TASK_WORK / (work + TASK_WORK / 1024)) + 1;
    return parts;
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
    attn_part *parts = lay_out(&plan, workspace);
    status = check_pages(&plan);
    if (status) return status;
    int64_t tasks = plan.items / plan.task_items + (plan.items % plan.task_items != 0);
    parallel_run(&plan.d.parallel, tasks, decode_task, &plan);
    merge_chunks(&plan, parts);
    return ATTN_OK;
}
