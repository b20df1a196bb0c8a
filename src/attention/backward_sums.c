#include "attention/backward_sums.h"

#include "attention/sequence.h"
#include "attention/staged_rows.h"
#include "base/checked.h"
#include "base/parallel.h"

/* Rows that a task rounds. */
#define TASK_ROWS 256

/* One gradient: its shape, the starts of its rows where sequences are packed, where it belongs and where its sums are.
 */
typedef struct gradient {
    int64_t batches, heads, rows, columns;
    const int64_t *starts;
    attn_output out, sums;
    const kernel_table *table;
    attn_dtype type;
    int64_t first, last; /* rows that are somebody's */
} gradient;

enum { GRADIENTS = 4 };

static gradient of_queries(const attn_desc *d, int64_t columns, const attn_output *out)
{
    return (gradient){sequence_query_batches(d), d->H, d->T, columns, .starts = d->query_starts, .out = *out};
}

static gradient of_keys(const attn_desc *d, int64_t columns, const attn_output *out)
{
    return (gradient){sequence_key_batches(d), d->HK, d->S, columns, .starts = d->key_starts, .out = *out};
}

static void list(const attn_desc *d, const attn_output *grad_grad_o, gradient all[GRADIENTS])
{
    const attn_output none = {0};
    all[0] = of_queries(d, d->D, &d->grad_q);
    all[1] = of_keys(d, d->D, &d->grad_k);
    all[2] = of_keys(d, d->DV, &d->grad_v);
    all[3] = of_queries(d, d->DV, grad_grad_o ? grad_grad_o : &none);
}

bool backward_sums_bytes(const attn_desc *d, const attn_output *grad_grad_o, size_t *bytes)
{
    gradient all[GRADIENTS];
    *bytes = 0;
    if (!staged_type(d->dtype)) return true;
    list(d, grad_grad_o, all);
    for (int n = 0; n < GRADIENTS; n++) {
        const gradient *g = &all[n];
        size_t count;
        if (!g->out.data) continue;
        if (!checked_mul((size_t)g->batches, (size_t)g->heads, &count) ||
            !checked_mul(count, (size_t)g->rows, &count) ||
            !checked_mul(count, (size_t)staged_row(g->columns) * sizeof(float), &count) ||
            !checked_add(*bytes, count, bytes))
            return false;
    }
    return true;
}

attn_desc backward_sums_place(const attn_desc *d, attn_output *grad_grad_o, float *at)
{
    gradient all[GRADIENTS];
    attn_desc sums = *d;
    attn_output *const outputs[GRADIENTS] = {&sums.grad_q, &sums.grad_k, &sums.grad_v, grad_grad_o};
    if (!staged_type(d->dtype)) return sums;
    list(d, grad_grad_o, all);
    for (int n = 0; n < GRADIENTS; n++) {
        const gradient *g = &all[n];
        if (!g->out.data) continue;
        const int64_t row = staged_row(g->columns), head = g->rows * row;
        *outputs[n] = (attn_output){at, g->heads * head, head, row};
        at += g->batches * g->heads * head;
    }
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
    const float *sums = (const float *)g->sums.data + b * g->sums.batch + h * g->sums.head + first * g->sums.row;
    staged_rows_write(g->table, g->type, sums, &g->out, b, h, first, left < TASK_ROWS ? left : TASK_ROWS, g->columns);
}

void backward_sums_write(const kernel_table *table, const attn_desc *d, const attn_output *grad_grad_o,
                         const attn_desc *sums, const attn_output *grad_grad_o_sums)
{
    gradient all[GRADIENTS], summed[GRADIENTS];
    if (!staged_type(d->dtype) || !d->B) return;
    list(d, grad_grad_o, all);
    list(sums, grad_grad_o_sums, summed);
    for (int n = 0; n < GRADIENTS; n++) {
        gradient *g = &all[n];
        if (!g->out.data || !g->columns) continue;
        g->table = table, g->type = d->dtype, g->sums = summed[n].out;
        g->first = g->starts ? g->starts[0] : 0;
        g->last = g->starts ? g->starts[d->B] : g->rows;
        parallel_run(&d->parallel, g->batches * g->heads * tasks_of_head(g), write_task, g);
    }
}
