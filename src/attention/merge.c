#include "attention/merge.h"

#include "attention/array_check.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/staged_rows.h"
#include "base/parallel.h"
#include "base/plural.h"
#include "base/status.h"

#include <math.h>
#include <stdio.h>

/* Columns of a row that are summed together: all parts are read before any column is written, so that the result may
 * stand where a part stood. */
#define COLUMNS 64

/* Elements that make a task worth handing out. */
#define TASK_ELEMENTS (1 << 16)

typedef struct merge_plan {
    const attn_desc *d;
    const kernel_table *table;
    const attn_part *parts;
    const attn_view *sums; /* NULL: the parts tell log-sum-exps, each the only term of its sum */
    int64_t count, rows, task_rows;
} merge_plan;

/* How the parts of one row weigh: exp(lse - base) * sum * factor. */
typedef struct row_scale {
    float base, lse; /* lse where it is asked for */
    double factor;
} row_scale;

static float part_lse(const merge_plan *plan, int64_t n, int64_t b, int64_t h, int64_t i)
{
    return *view_at(&plan->parts[n].lse, b, h, i);
}

static float part_sum(const merge_plan *plan, int64_t n, int64_t b, int64_t h, int64_t i)
{
    return plan->sums ? *view_at(&plan->sums[n], b, h, i) : 1;
}

static row_scale scale_row(const merge_plan *plan, int64_t b, int64_t h, int64_t i)
{
    float largest = -INFINITY;
    for (int64_t n = 0; n < plan->count; n++) largest = fmaxf(largest, part_lse(plan, n, b, h, i));
    /* A NaN among them is not the largest, but makes the sum one. */
    float base = largest == -INFINITY ? 0 : largest;
    double sum = 0;
    for (int64_t n = 0; n < plan->count; n++)
        sum += (double)expf(part_lse(plan, n, b, h, i) - base) * part_sum(plan, n, b, h, i);
    return (row_scale){base, plan->d->lse.data ? base + (float)log(sum) : 0, sum == 0 ? 0 : 1 / sum};
}

/* Of a part that is the only one with keys the weight is 1, exactly. */
static float part_weight(const merge_plan *plan, const row_scale *scale, int64_t n, int64_t b, int64_t h, int64_t i)
{
    const float weight = expf(part_lse(plan, n, b, h, i) - scale->base);
    if (!plan->sums) return weight * (float)scale->factor;
    return (float)((double)weight * part_sum(plan, n, b, h, i) * scale->factor);
}

static bool has_keys(const merge_plan *plan, int64_t n, int64_t b, int64_t h, int64_t i)
{
    return plan->sums ? part_sum(plan, n, b, h, i) != 0 : part_lse(plan, n, b, h, i) != -INFINITY;
}

/* Columns c .. c + count - 1 of the row. */
static void merge_columns(const merge_plan *plan, const row_scale *scale, int64_t b, int64_t h, int64_t i, int64_t c,
                          int64_t count)
{
    const attn_desc *d = plan->d;
    float sum[COLUMNS] = {0}, stage[COLUMNS];
    for (int64_t n = 0; n < plan->count; n++) {
        if (!has_keys(plan, n, b, h, i)) continue;
        const float weight = part_weight(plan, scale, n, b, h, i);
        const void *row = row_at(d->dtype, &plan->parts[n].o, b, h, i);
        const float *o = staged_columns_read(plan->table, d->dtype, row, c, count, stage);
        for (int64_t x = 0; x < count; x++) sum[x] += weight * o[x];
    }
    staged_columns_write(plan->table, d->dtype, sum, output_row_at(d->dtype, &d->o, b, h, i), c, count);
}

static void merge_row(const merge_plan *plan, int64_t row)
{
    const attn_desc *d = plan->d;
    int64_t i = row % d->T, h = row / d->T % d->H, b = row / d->T / d->H;
    row_scale scale = scale_row(plan, b, h, i);
    for (int64_t c = 0; c < d->DV; c += COLUMNS)
        merge_columns(plan, &scale, b, h, i, c, d->DV - c < COLUMNS ? d->DV - c : COLUMNS);
    float *lse = output_at(&d->lse, b, h, i);
    if (lse) *lse = scale.lse;
}

static void merge_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const merge_plan *plan = argument;
    int64_t first = task * plan->task_rows, left = plan->rows - first;
    for (int64_t n = 0; n < left && n < plan->task_rows; n++) merge_row(plan, first + n);
}

void merge_parts(const attn_desc *d, const attn_part *parts, const attn_view *sums, int64_t count)
{
    double row = (double)(count + 1) * (double)(d->DV + 1);
    merge_plan plan = {.d = d, .table = kernels_table(), .parts = parts, .sums = sums, .count = count};
    plan.rows = d->B * d->H * d->T;
    plan.task_rows = row >= TASK_ELEMENTS ? 1 : (int64_t)(TASK_ELEMENTS / row) + 1;
    int64_t tasks = plan.rows / plan.task_rows + (plan.rows % plan.task_rows != 0);
    parallel_run(&d->parallel, tasks, merge_task, &plan);
}

static attn_status check_part(const attn_desc *d, const attn_part *part, int64_t n)
{
    char name[40];
    snprintf(name, sizeof name, "parts[%lld].o", (long long)n);
    attn_status status = array_check_view(name, &part->o, d->dtype, d->B, d->H, d->T, d->DV);
    if (status) return status;
    snprintf(name, sizeof name, "parts[%lld].lse", (long long)n);
    return array_check_view(name, &part->lse, ATTN_DTYPE_F32, d->B, d->H, d->T, 1);
}

attn_status attn_merge(const attn_desc *desc, const attn_part *parts, int64_t count)
{
    attn_desc d;
    attn_status status = descriptor_read(desc, &d);
    if (!status) status = descriptor_check_unpacked(&d, "attn_merge");
    if (!status) status = descriptor_check_narrow(&d, "attn_merge");
    if (status) return status;
    if (count < 0) return status_fail(ATTN_ERROR_ARGUMENT, "count = %lld, expected at least 0", (long long)count);
    if (count && !parts)
        return status_fail(ATTN_ERROR_ARGUMENT, "parts is NULL, expected %lld part%s", (long long)count, plural(count));
    for (int64_t n = 0; n < count && !status; n++) status = check_part(&d, &parts[n], n);
    if (!status) status = array_check_output("o", &d.o, d.dtype, d.B, d.H, d.T, d.DV);
    if (!status && d.lse.data) status = array_check_output("lse", &d.lse, ATTN_DTYPE_F32, d.B, d.H, d.T, 1);
    if (status || !descriptor_writes_rows(&d)) return status;
    merge_parts(&d, parts, NULL, count);
    return ATTN_OK;
}
