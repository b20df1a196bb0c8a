/* The bias's gradient, summed over the dimensions that its strides broadcast.
 *
 * A pass of its own: a task owns one region of the output, a head of a sequence by a chunk of queries by a chunk of
 * keys, each of them all there is where that dimension is summed, and visits what it sums in order. So the pass is
 * parallel and its sums have one order, without a T x S array for each head that is summed. */
#include "attention/backward_bias.h"

#include "attention/array_check.h"
#include "attention/elements.h"
#include "attention/sequence.h"
#include "attention/visible.h"
#include "base/parallel.h"
#include "base/status.h"

typedef struct span {
    int64_t first, last;
} span;

struct bias_task {
    const backward_plan *plan;
    span sequences, heads, queries, keys;
};

/* What the parallel loop is given. */
typedef struct bias_run {
    const backward_plan *plan;
    bias_sequence *sequence;
} bias_run;

static int64_t parts_of(int64_t stride, int64_t count, int64_t size)
{
    return stride ? (count + size - 1) / size : 1;
}

static span part(int64_t index, int64_t stride, int64_t count, int64_t size)
{
    if (!stride) return (span){0, count};
    int64_t first = index * size, last = first + size < count ? first + size : count;
    return (span){first, last};
}

static float *bias_at(const attn_mask_output *grad, int64_t b, int64_t h, int64_t i, int64_t j)
{
    return (float *)grad->data + b * grad->batch + h * grad->head + i * grad->row + j * grad->column;
}

/* Zeroes what the task owns; a summed dimension has one element. */
static void zero_region(const bias_task *task)
{
    const attn_mask_output *grad = &task->plan->d->grad_bias;
    int64_t rows = grad->row ? task->queries.last : task->queries.first + 1;
    int64_t columns = grad->column ? task->keys.last : task->keys.first + 1;
    for (int64_t i = task->queries.first; i < rows; i++)
        for (int64_t j = task->keys.first; j < columns; j++)
            *bias_at(grad, task->sequences.first, task->heads.first, i, j) = 0;
}

static void add_tile(const attn_mask_output *grad, float *out, const float *tile, int64_t queries, int64_t keys)
{
    for (int64_t m = 0; m < queries; m++)
        for (int64_t n = 0; n < keys; n++) out[m * grad->row + n * grad->column] += tile[n * BACKWARD_QUERIES + m];
}

static void add_head(const bias_task *task, const bias_worker *w, const attn_desc *d, int64_t b, int64_t h)
{
    const attn_mask_output *grad = &task->plan->d->grad_bias;
    const int64_t most_queries = task->plan->tile_queries, most_keys = task->plan->tile_keys;
    const int64_t last = task->queries.last < d->T ? task->queries.last : d->T;
    for (int64_t i = task->queries.first; i < last; i += most_queries) {
        int64_t queries = last - i < most_queries ? last - i : most_queries;
        key_range keys = visible_keys_of(d, b, i, queries);
        if (keys.first < task->keys.first) keys.first = task->keys.first;
        keys.first = visible_next(d, b, h, i, queries, keys.first);
        if (keys.last > task->keys.last) keys.last = task->keys.last;
        if (keys.first >= keys.last) continue;
        w->queries(w->worker, b, h, i, queries);
        for (int64_t j = keys.first - keys.first % most_keys; j < keys.last; j += most_keys) {
            int64_t from = j > keys.first ? j : keys.first, end = j + most_keys;
            int64_t count = (end < keys.last ? end : keys.last) - from;
            const float *tile = w->keys(w->worker, from, count);
            if (tile) add_tile(grad, bias_at(grad, b, h, i, from), tile, queries, count);
        }
    }
}

void backward_bias_add(const bias_task *task, const bias_worker *w, const attn_desc *d, int64_t b)
{
    for (int64_t h = task->heads.first; h < task->heads.last; h++) add_head(task, w, d, b, h);
}

static void move_queries(void *worker, int64_t b, int64_t h, int64_t first, int64_t count)
{
    backward_worker_queries(worker, b, h, first, count);
}

static const float *move_keys(void *worker, int64_t first, int64_t count)
{
    backward_worker *w = worker;
    return backward_worker_scores(w, first, count) ? w->tile.ds_t : NULL;
}

void backward_bias_sequence(const bias_task *task, const backward_plan *plan, const attn_desc *d, int64_t b, int worker)
{
    backward_worker w;
    backward_worker_open(&w, plan, d, worker, 1, false);
    w.tile.p_bf16 = NULL; /* dS as it is */
    backward_bias_add(task, &(bias_worker){&w, move_queries, move_keys}, d, b);
}

/* How many queries and keys the gradient has: those of the longest sequence where it sums over sequences. */
static void extent(const attn_desc *d, int64_t b, int64_t *T, int64_t *S)
{
    attn_desc own;
    sequence_largest(d, T, S);
    if (!d->grad_bias.batch) return;
    d = sequence_read(d, b, &own);
    *T = d->T;
    *S = d->S;
}

static void run_task(void *argument, int64_t index, int worker)
{
    const bias_run *run = argument;
    const backward_plan *plan = run->plan;
    const attn_desc *d = plan->d;
    const attn_mask_output *grad = &d->grad_bias;
    int64_t T, S;
    sequence_largest(d, &T, &S);
    int64_t columns = parts_of(grad->column, S, plan->chunk), rows = parts_of(grad->row, T, plan->chunk);
    int64_t heads = parts_of(grad->head, d->H, 1);
    const span sequences = part(index / columns / rows / heads, grad->batch, d->B, 1);
    extent(d, sequences.first, &T, &S);
    const bias_task task = {.plan = plan,
                            .keys = part(index % columns, grad->column, S, plan->chunk),
                            .queries = part(index / columns % rows, grad->row, T, plan->chunk),
                            .heads = part(index / columns / rows % heads, grad->head, d->H, 1),
                            .sequences = sequences};
    zero_region(&task);
    for (int64_t b = task.sequences.first; b < task.sequences.last; b++) {
        attn_desc own;
        run->sequence(&task, plan, sequence_read(d, b, &own), b, worker);
    }
}

void backward_bias(backward_plan *plan, bias_sequence *sequence)
{
    const attn_desc *d = plan->d;
    const attn_mask_output *grad = &d->grad_bias;
    int64_t T, S;
    sequence_largest(d, &T, &S);
    if (!T || !S) return;
    int64_t tasks = parts_of(grad->column, S, plan->chunk) * parts_of(grad->row, T, plan->chunk) *
                    parts_of(grad->head, d->H, 1) * parts_of(grad->batch, d->B, 1);
    bias_run run = {plan, sequence};
    parallel_run(&d->parallel, tasks, run_task, &run);
}

attn_status backward_bias_check(const attn_desc *d)
{
    const attn_mask_output *grad = &d->grad_bias;
    if (!grad->data) return ATTN_OK;
    if (!d->bias.data) return status_fail(ATTN_ERROR_ARGUMENT, "grad_bias has data but bias has none, expected both");
    const struct {
        const char *name;
        int64_t count, bias, gradient;
    } steps[] = {{"batch", d->B, d->bias.batch, grad->batch},
                 {"head", d->H, d->bias.head, grad->head},
                 {"row", d->T, d->bias.row, grad->row},
                 {"column", d->S, d->bias.column, grad->column}};
    for (size_t n = 0; n < sizeof steps / sizeof steps[0]; n++) {
        if (steps[n].count > 1 && !steps[n].bias && steps[n].gradient)
            return status_fail(ATTN_ERROR_ARGUMENT, "grad_bias.%s = %lld, expected 0: bias broadcasts there",
                               steps[n].name, (long long)steps[n].gradient);
    }
    const attn_mask read = {grad->data, grad->batch, grad->head, grad->row, grad->column};
    return array_check_mask("grad_bias", &read, d, (size_t)element_size(sum_type(d->dtype)));
}
