#include "attention/array_check.h"
#include "attention/cache.h"
#include "attention/decode_options.h"
#include "attention/decode_plan.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
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

static void decode_item(const decode_plan *plan, int64_t item, char *piece)
{
    const attn_desc *d = &plan->d;
    const int64_t chunk = item % plan->chunks, kv_head = item / plan->chunks % d->HK, b = item / plan->chunks / d->HK;
    const int64_t group = d->H / d->HK;
    const key_range seen = visible_keys_of(d, b, 0, d->T);
    for (int64_t n = 0; n < group; n += plan->block_heads) {
        const int64_t head = kv_head * group + n;
        few_queries_run(&plan->few,
                        &(few_place){.d = d,
                                     .c = &plan->c,
                                     .b = b,
                                     .head = head,
                                     .heads = group - n < plan->block_heads ? group - n : plan->block_heads,
                                     .first = chunk * DECODE_CHUNK,
                                     .seen = seen},
                        &(few_part){.o = output_at(&plan->part_o, b, head, 0) + chunk * plan->o_step,
                                    .largest = output_at(&plan->part_largest, b, head, 0) + chunk * plan->sum_step,
                                    .sum = output_at(&plan->part_sum, b, head, 0) + chunk * plan->sum_step,
                                    .o_head = plan->part_o.head,
                                    .o_row = plan->part_o.row,
                                    .sum_head = plan->part_sum.head,
                                    .sum_row = plan->part_sum.row},
                        piece);
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
    plan->few.table->narrow_rows(
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
