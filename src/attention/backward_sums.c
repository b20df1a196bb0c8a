#include "attention/backward_sums.h"

#include "attention/sequence.h"
#include "attention/staged_rows.h"
#include "base/checked.h"
#include "base/parallel.h"

/* Rows that a task rounds. */
#define TASK_ROWS 256

/* One gradient: its shape, the rows of it that are somebody's, where it belongs and where its sums are. */
typedef struct gradient {
    const kernel_table *table;
    attn_dtype type;
    int64_t batches, heads, rows, columns, first, last;
    const attn_output *out, *sums;
} gradient;

static gradient of_queries(const attn_desc *d)
{
    const int64_t *starts = d->query_starts;
    return (gradient){.type = d->dtype,
                      .batches = sequence_query_batches(d),
                      .heads = d->H,
                      .rows = d->T,
                      .columns = d->D,
                      .first = starts ? starts[0] : 0,
                      .last = starts ? starts[d->B] : d->T,
                      .out = &d->grad_q};
}

static gradient of_keys(const attn_desc *d, int64_t columns, const attn_output *out)
{
    const int64_t *starts = d->key_starts;
    return (gradient){.type = d->dtype,
                      .batches = sequence_key_batches(d),
                      .heads = d->HK,
                      .rows = d->S,
                      .columns = columns,
                      .first = starts ? starts[0] : 0,
                      .last = starts ? starts[d->B] : d->S,
                      .out = out};
}

static bool add_bytes(const attn_output *out, int64_t batches, int64_t heads, int64_t rows, int64_t columns,
                      size_t *bytes)
{
    if (!out->data) return true;
    size_t count;
    return checked_mul((size_t)batches, (size_t)heads, &count) && checked_mul(count, (size_t)rows, &count) &&
           checked_mul(count, (size_t)staged_row(columns) * sizeof(float), &count) && checked_add(*bytes, count, bytes);
}

bool backward_sums_bytes(const attn_desc *d, size_t *bytes)
{
    *bytes = 0;
    if (!staged_type(d->dtype)) return true;
    const int64_t queries_B = sequence_query_batches(d), keys_B = sequence_key_batches(d);
    return add_bytes(&d->grad_q, queries_B, d->H, d->T, d->D, bytes) &&
           add_bytes(&d->grad_k, keys_B, d->HK, d->S, d->D, bytes) &&
           add_bytes(&d->grad_v, keys_B, d->HK, d->S, d->DV, bytes);
}

/* Puts the sums of one gradient where *at is, and *at behind them. */
static void place(attn_output *out, int64_t batches, int64_t heads, int64_t rows, int64_t columns, float **at)
{
    if (!out->data) return;
    const int64_t row = staged_row(columns), head = rows * row;
    *out = (attn_output){*at, heads * head, head, row};
    *at += batches * heads * head;
}

attn_desc backward_sums_place(const attn_desc *d, float *at)
{
    attn_desc sums = *d;
    if (!staged_type(d->dtype)) return sums;
    const int64_t queries_B = sequence_query_batches(d), keys_B = sequence_key_batches(d);
    place(&sums.grad_q, queries_B, d->H, d->T, d->D, &at);
    place(&sums.grad_k, keys_B, d->HK, d->S, d->D, &at);
    place(&sums.grad_v, keys_B, d->HK, d->S, d->DV, &at);
    return sums;
}

static int64_t tasks_of_head(const gradient *g)
{
    return (g->last - g->first + TASK_ROWS - 1) / TASK_ROWS;
}

static void write_task(void *argument, int64_t task, int worker)
{
    (void)worker;
    const gradient *g = argument;
    const int64_t tasks = tasks_of_head(g), h = task / tasks % g->heads, b = task / tasks / g->heads;
    const int64_t first = g->first + task % tasks * TASK_ROWS, left = g->last - first;
    const float *sums = (const float *)g->sums->data + b * g->sums->batch + h * g->sums->head + first * g->sums->row;
    staged_rows_write(g->table, g->type, sums, g->out, b, h, first, left < TASK_ROWS ? left : TASK_ROWS, g->columns);
}

static void write_gradient(const kernel_table *table, const attn_desc *d, gradient g, const attn_output *sums)
{
    if (!g.out->data || !g.columns) return;
    g.table = table;
    g.sums = sums;
    parallel_run(&d->parallel, g.batches * g.heads * tasks_of_head(&g), write_task, &g);
}

void backward_sums_write(const kernel_table *table, const attn_desc *d, const attn_desc *sums)
{
    if (!staged_type(d->dtype) || !d->B) return;
    write_gradient(table, d, of_queries(d), &sums->grad_q);
    write_gradient(table, d, of_keys(d, d->D, &d->grad_k), &sums->grad_k);
    write_gradient(table, d, of_keys(d, d->DV, &d->grad_v), &sums->grad_v);
}
