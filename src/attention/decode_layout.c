#include "attention/decode_plan.h"

#include "attention/workspace_pieces.h"
#include "base/parallel.h"
#include "base/status.h"

#include <string.h>

/* Multiply-adds that make a task worth handing out: some microseconds. */
#define TASK_WORK (1 << 18)

static int64_t chunks_of(int64_t keys)
{
    return keys / DECODE_CHUNK + (keys % DECODE_CHUNK != 0);
}

static bool plan_pieces(decode_plan *plan, size_t *all)
{
    const attn_desc *d = &plan->d;
    const int64_t chunks = chunks_of(d->S), workers = parallel_workers(&d->parallel);
    int64_t part_rows, part_floats, items;
    size_t offsets;
    return checked_mul_i64(d->B * d->H * d->T, chunks ? chunks : 1, &part_rows) &&
           checked_mul_i64(part_rows, d->DV, &part_floats) && checked_mul_i64(d->B * d->HK, chunks, &items) &&
           workspace_add(all, d->B, sizeof(int64_t), &offsets) &&
           workspace_add(all, chunks + 1, sizeof(attn_part), &plan->parts) &&
           workspace_add(all, chunks + 1, sizeof(attn_view), &plan->views) &&
           workspace_add(all, d->DV, sizeof(float), &plan->zeros) && workspace_add(all, 1, sizeof(float), &plan->one) &&
           workspace_add(all, part_floats, sizeof(float), &plan->o) &&
           workspace_add(all, part_rows, sizeof(float), &plan->largest) &&
           workspace_add(all, part_rows, sizeof(float), &plan->sum) &&
           workspace_add(all, items < workers ? items : workers, plan->worker, &plan->workers);
}

attn_status decode_plan_workspace(decode_plan *plan, size_t *bytes)
{
    const attn_desc *d = &plan->d;
    size_t all = 0;
    *bytes = plan->worker = 0;
    if (!d->B || !d->T) return ATTN_OK; /* and nothing was held against D and DV */
    if (!few_queries_plan(&plan->few, d, plan->c.dtype, plan->block_heads * d->T, &plan->worker) ||
        !plan_pieces(plan, &all))
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
    few_queries_measure(&plan->few, d, plan->c.dtype, (double)d->B * (double)longest);
    const double work = (double)keys * (double)d->T * (double)(d->H / d->HK) * ((double)d->D + (double)d->DV);
    plan->task_items = work >= TASK_WORK ? 1 : (int64_t)(TASK_WORK / (work + TASK_WORK / 1024)) + 1;
    return lay_out_parts(plan);
}
