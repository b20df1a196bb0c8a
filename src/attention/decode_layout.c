#include "attention/decode_plan.h"

#include "attention/elements.h"
#include "attention/staged_rows.h"
#include "base/checked.h"
#include "base/parallel.h"
#include "base/status.h"

#include <string.h>

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

/* A worker's piece. */
static bool plan_worker(decode_plan *plan)
{
    const attn_desc *d = &plan->d;
    const int64_t rows = plan->block_heads * d->T, q_row = staged_type(d->dtype) ? staged_row(d->D) : 0;
    const int64_t scales = plan->c.dtype == ATTN_DTYPE_INT8 ? DECODE_CHUNK : 0;
    int64_t q_floats;
    size_t scratch;
    plan->worker = 0;
    return checked_mul_i64(rows, q_row, &q_floats) &&
           add_piece(&plan->worker, (int64_t)decode_scratch((size_t)rows), sizeof(float), &scratch) &&
           add_piece(&plan->worker, rows * DECODE_CHUNK, sizeof(float), &plan->modification) &&
           add_piece(&plan->worker, q_floats, sizeof(float), &plan->q) &&
           add_piece(&plan->worker, DECODE_CHUNK + DECODE_SPARE, sizeof(void *), &plan->k_rows) &&
           add_piece(&plan->worker, DECODE_CHUNK + DECODE_SPARE, sizeof(void *), &plan->v_rows) &&
           add_piece(&plan->worker, scales, sizeof(float), &plan->k_scales) &&
           add_piece(&plan->worker, scales, sizeof(float), &plan->v_scales);
}

static bool plan_pieces(decode_plan *plan, size_t *all)
{
    const attn_desc *d = &plan->d;
    const int64_t chunks = chunks_of(d->S), workers = parallel_workers(&d->parallel);
    int64_t part_rows, part_floats, items;
    size_t offsets;
    return checked_mul_i64(d->B * d->H * d->T, chunks ? chunks : 1, &part_rows) &&
           checked_mul_i64(part_rows, d->DV, &part_floats) && checked_mul_i64(d->B * d->HK, chunks, &items) &&
           add_piece(all, d->B, sizeof(int64_t), &offsets) &&
           add_piece(all, chunks + 1, sizeof(attn_part), &plan->parts) &&
           add_piece(all, chunks + 1, sizeof(attn_view), &plan->views) &&
           add_piece(all, d->DV, sizeof(float), &plan->zeros) && add_piece(all, 1, sizeof(float), &plan->one) &&
           add_piece(all, part_floats, sizeof(float), &plan->o) &&
           add_piece(all, part_rows, sizeof(float), &plan->largest) &&
           add_piece(all, part_rows, sizeof(float), &plan->sum) &&
           add_piece(all, items < workers ? items : workers, plan->worker, &plan->workers);
}

attn_status decode_plan_workspace(decode_plan *plan, size_t *bytes)
{
    const attn_desc *d = &plan->d;
    size_t all = 0;
    *bytes = 0;
    if (!d->B || !d->T) return ATTN_OK; /* and nothing was held against D and DV */
    if (!plan_worker(plan) || !plan_pieces(plan, &all))
        return status_fail(ATTN_ERROR_OVERFLOW,
                           "the workspace for B = %lld, H = %lld, T = %lld, S = %lld, D = %lld, DV = %lld does not fit",
                           (long long)d->B, (long long)d->H, (long long)d->T, (long long)d->S, (long long)d->D,
                           (long long)d->DV);
    *bytes = all;
    return ATTN_OK;
}

static attn_view view_of(const attn_output *x, int64_t floats)
{
    return (attn_view){(const float *)x->data + floats, x->batch, x->head, x->row};
}

static attn_part *lay_out_parts(decode_plan *plan)
{
    const attn_desc *d = &plan->d;
    attn_part *parts = (attn_part *)(plan->workspace + plan->parts);
    attn_view *sums = (attn_view *)(plan->workspace + plan->views);
    float *zeros = (float *)(plan->workspace + plan->zeros), *one = (float *)(plan->workspace + plan->one);
    plan->part_o = (attn_output){plan->workspace + plan->o, d->H * d->T * d->DV, d->T * d->DV, d->DV};
    plan->part_largest = (attn_output){plan->workspace + plan->largest, d->H * d->T, d->T, 1};
    plan->part_sum = (attn_output){plan->workspace + plan->sum, d->H * d->T, d->T, 1};
    plan->o_step = d->B * plan->part_o.batch, plan->sum_step = d->B * plan->part_sum.batch;
    for (int64_t n = 0; n < plan->chunks; n++) {
        parts[n].o = view_of(&plan->part_o, n * plan->o_step);
        parts[n].lse = view_of(&plan->part_largest, n * plan->sum_step);
        sums[n] = view_of(&plan->part_sum, n * plan->sum_step);
    }
    if (!d->sinks) return parts;
    if (d->DV) memset(zeros, 0, (size_t)d->DV * sizeof *zeros);
    *one = 1;
    parts[plan->chunks] = (attn_part){.o = {zeros, 0, 0, 0}, .lse = {d->sinks, 0, 1, 0}};
    sums[plan->chunks] = (attn_view){one, 0, 0, 0};
    return parts;
}

/* The positions of the queries; returns the longest sequence's length. */
static int64_t lay_out_lengths(decode_plan *plan)
{
    attn_desc *d = &plan->d;
    int64_t *offsets = (int64_t *)plan->workspace, longest = 0;
    for (int64_t b = 0; b < d->B; b++) {
        offsets[b] = d->query_offsets ? d->query_offsets[b] : plan->c.lengths[b] - d->T;
        if (plan->c.lengths[b] > longest) longest = plan->c.lengths[b];
    }
    d->query_offsets = offsets;
    d->key_lengths = plan->c.lengths;
    return longest;
}

attn_part *decode_lay_out(decode_plan *plan, char *workspace)
{
    const attn_desc *d = &plan->d;
    plan->workspace = workspace;
    const int64_t longest = lay_out_lengths(plan), keys = longest < DECODE_CHUNK ? longest : DECODE_CHUNK;
    plan->chunks = chunks_of(longest);
    plan->items = d->B * d->HK * plan->chunks;
    const double columns = (double)d->D + (double)d->DV;
    const double bytes = (double)d->B * (double)d->HK * (double)longest * columns * (double)element_size(plan->c.dtype);
    plan->near = bytes <= NEAR_BYTES, plan->far = bytes > FAR_BYTES;
    const double work = (double)keys * (double)d->T * (double)(d->H / d->HK) * columns;
    plan->task_items = work >= TASK_WORK ? 1 : (int64_t)(TASK_WORK / (work + TASK_WORK / 1024)) + 1;
    return lay_out_parts(plan);
}
