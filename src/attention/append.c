#include "attention/append_pages.h"
#include "attention/array_check.h"
#include "attention/cache.h"
#include "attention/descriptor.h"
#include "attention/elements.h"
#include "attention/rotary.h"
#include "attention/staged_rows.h"
#include "attn/attn.h"
#include "base/checked.h"
#include "base/order.h"
#include "base/parallel.h"
#include "base/status.h"

#include <math.h>

/* A task is a run of rows of one head of one sequence. */
#define TASK_ROWS 64

typedef struct append_plan {
    attn_cache c;
    attn_rotary r, none;
    const kernel_table *table;
    int64_t T, head_tasks;
    attn_view k, v;
} append_plan;

/* A row whose numbers are all below this is stored as zeros: 127 over it is finite. */
#define SMALLEST_ROW 0x1p-100f

/* A new row, which r turns to position j. */
typedef struct new_row {
    const attn_rotary *r;
    int64_t j;
    attn_dtype type;
    const void *x;
    int64_t columns;
} new_row;

/* Columns first .. first + *count - 1 of it, turned, as many as `turned` holds. */
static void turn(const new_row *row, int64_t first, int64_t *count, float *turned)
{
    *count = least(row->columns - first, ROTARY_COLUMNS);
    rotary_columns(row->r, row->j, row->type, row->x, first, *count, turned);
}

/* Its largest magnitude; NaN where one of it is not a number. */
static float largest_of_row(const new_row *row)
{
    float largest = 0;
    for (int64_t first = 0, count; first < row->columns; first += count) {
        float turned[ROTARY_COLUMNS];
        turn(row, first, &count, turned);
        for (int64_t n = 0; n < count; n++)
            if (!(fabsf(turned[n]) <= largest)) largest = isnan(largest) ? largest : fabsf(turned[n]);
    }
    return largest;
}

/* It in bytes, -127 to 127, into y, and their scale. A row that is not finite gets a scale that is not. */
static void quantize_row(const new_row *row, int8_t *y, float *scale)
{
    const float largest = largest_of_row(row);
    const bool zeros = !isfinite(largest) || largest < SMALLEST_ROW;
    const float factor = zeros ? 0 : 127 / largest;
    *scale = isfinite(largest) ? (zeros ? 0 : largest / 127) : NAN;
    for (int64_t first = 0, count; first < row->columns; first += count) {
        float turned[ROTARY_COLUMNS];
        turn(row, first, &count, turned);
        for (int64_t n = 0; n < count; n++) y[first + n] = zeros ? 0 : (int8_t)lrintf(turned[n] * factor);
    }
}

/* It in the cache's type into y, and its scale where that has one. */
static void write_row(const append_plan *plan, const new_row *row, void *y, float *scale)
{
    if (plan->c.dtype == ATTN_DTYPE_INT8) {
        quantize_row(row, y, scale);
        return;
    }
    for (int64_t first = 0, count; first < row->columns; first += count) {
        float turned[ROTARY_COLUMNS];
        turn(row, first, &count, turned);
        staged_columns_write(plan->table, plan->c.dtype, turned, y, first, count);
    }
}

static void append_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const append_plan *plan = argument;
    const attn_cache *c = &plan->c;
    const int64_t head = task / plan->head_tasks % c->HK, b = task / plan->head_tasks / c->HK;
    int64_t first = task % plan->head_tasks * TASK_ROWS;
    for (int64_t i = first; i < first + TASK_ROWS && i < plan->T; i++) {
        int64_t j = c->lengths[b] - plan->T + i;
        if (j < 0) continue;
        if (c->D) {
            const new_row k = {&plan->r, j, c->new_dtype, row_at(c->new_dtype, &plan->k, b, head, i), c->D};
            write_row(plan, &k, cache_at(c, &c->k, b, head, j), cache_scale(c, &c->k_scales, b, head, j));
        }
        if (c->DV) {
            const new_row v = {&plan->none, 0, c->new_dtype, row_at(c->new_dtype, &plan->v, b, head, i), c->DV};
            write_row(plan, &v, cache_at(c, &c->v, b, head, j), cache_scale(c, &c->v_scales, b, head, j));
        }
    }
}

static attn_status check_rows(const append_plan *plan)
{
    const attn_cache *c = &plan->c;
    attn_status status = ATTN_OK;
    for (int64_t b = 0; b < c->B && plan->T && !status; b++) {
        int64_t last = c->lengths[b], first = last < plan->T ? 0 : last - plan->T;
        status = cache_check_pages(c, b, first, last);
        if (!status && last) status = rotary_check_position(&plan->r, b, last - 1);
    }
    return status ? status : append_check_pages_apart(c, plan->T);
}

attn_status attn_append(const attn_cache *cache, int64_t T, const attn_view *k, const attn_view *v,
                        const attn_rotary *rotary, const attn_parallel *parallel)
{
    append_plan plan = {.T = T, .table = kernels_table()};
    const attn_parallel usual = {0};
    attn_status status = cache_read(cache, &plan.c);
    if (status) return status;
    const attn_cache *c = &plan.c;
    if (!parallel) parallel = &usual;
    if (T < 0) return status_fail(ATTN_ERROR_ARGUMENT, "T = %lld, expected at least 0", (long long)T);
    if (!k || !v) return status_fail(ATTN_ERROR_ARGUMENT, "%s is NULL, expected the new rows", k ? "v" : "k");
    plan.k = *k, plan.v = *v;
    status = descriptor_check_parallel(parallel);
    if (!status) status = rotary_read(rotary, c->D, &plan.r);
    if (!status) status = cache_check_arrays(c);
    if (!status) status = array_check_view("k", k, c->new_dtype, c->B, c->HK, T, c->D);
    if (!status) status = array_check_view("v", v, c->new_dtype, c->B, c->HK, T, c->DV);
    int64_t rows;
    if (!status && (!checked_mul_i64(c->B, c->HK, &rows) || !checked_mul_i64(rows, T, &rows) || rows > INT64_MAX / 16))
        status = status_fail(ATTN_ERROR_OVERFLOW, "B * HK * T with T = %lld does not fit, expected at most 2^59",
                             (long long)T);
    if (!status) status = check_rows(&plan);
    if (status || (!c->D && !c->DV)) return status;
    plan.head_tasks = T / TASK_ROWS + (T % TASK_ROWS != 0);
    parallel_run(parallel, c->B * c->HK * plan.head_tasks, append_task, &plan);
    return ATTN_OK;
}
