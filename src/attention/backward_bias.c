/* The bias's gradient, summed over the dimensions that its strides broadcast.
 *
 * A pass of its own: a task owns one region of the output, a head of a sequence by a chunk of queries by a chunk of
 * keys, each of them all there is where that dimension is summed, and visits what it sums in order. So the pass is
 * parallel and its sums have one order, without a T x S array for each head that is summed. */
#include "attention/backward_worker.h"
#include "attention/sequence.h"
#include "attention/visible.h"
#include "base/parallel.h"

typedef struct span {
    int64_t first, last;
} span;

typedef struct bias_task {
    const backward_plan *plan;
    span sequences, heads, queries, keys;
} bias_task;

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

static void add_tile(const backward_worker *w)
{
    const attn_mask_output *grad = &w->plan->d->grad_bias;
    const backward_tile *t = &w->tile;
    float *out = bias_at(grad, w->b, w->h, w->first_query, w->first_key);
    for (int64_t m = 0; m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++)
            out[m * grad->row + n * grad->column] += t->ds_t[n * BACKWARD_QUERIES + m];
}

static void add_head(const bias_task *task, backward_worker *w, int64_t b, int64_t h)
{
    const int64_t most_queries = task->plan->tile_queries, most_keys = task->plan->tile_keys;
    const int64_t last = task->queries.last < w->d->T ? task->queries.last : w->d->T;
    for (int64_t i = task->queries.first; i < last; i += most_queries) {
        int64_t queries = last - i < most_queries ? last - i : most_queries;
        key_range keys = visible_keys_of(w->d, b, i, queries);
        if (keys.first < task->keys.first) keys.first = task->keys.first;
        keys.first = visible_next(w->d, b, h, i, queries, keys.first);
        if (keys.last > task->keys.last) keys.last = task->keys.last;
        if (keys.first >= keys.last) continue;
        backward_worker_queries(w, b, h, i, queries);
        for (int64_t j = keys.first - keys.first % most_keys; j < keys.last; j += most_keys) {
            int64_t from = j > keys.first ? j : keys.first, end = j + most_keys;
            int64_t to = end < keys.last ? end : keys.last;
            if (backward_worker_scores(w, from, to - from)) add_tile(w);
        }
    }
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

static void bias_run(void *argument, int64_t index, int worker)
{
    const backward_plan *plan = argument;
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
        backward_worker w;
        backward_worker_open(&w, plan, sequence_read(d, b, &own), worker, 1, false);
        for (int64_t h = task.heads.first; h < task.heads.last; h++) add_head(&task, &w, b, h);
    }
}

void backward_bias(backward_plan *plan)
{
    const attn_desc *d = plan->d;
    const attn_mask_output *grad = &d->grad_bias;
    int64_t T, S;
    sequence_largest(d, &T, &S);
    if (!T || !S) return;
    int64_t tasks = parts_of(grad->column, S, plan->chunk) * parts_of(grad->row, T, plan->chunk) *
                    parts_of(grad->head, d->H, 1) * parts_of(grad->batch, d->B, 1);
    parallel_run(&d->parallel, tasks, bias_run, plan);
}
