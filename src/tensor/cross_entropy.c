#include "base/parallel.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

#include <string.h>

typedef struct entropy_state {
    tensor *logits, *loss; /* (R, V), scalar */
    const int32_t *targets;
    float smoothing, factor; /* factor: 1 / rows counted */
    float *gradient;         /* training: (R, V), in the logits' own memory where they are a result of this tape */
    float *task_sums;        /* (tasks, V): of the gradient's columns over a task's rows, which are at hand then */
    float *sums;             /* (V) */
    double *row_loss, *row_nll;
} entropy_state;

#define ROWS_PER_TASK 32
#define COLUMNS_PER_TASK 512

static void forward_row(const entropy_state *e, int64_t r)
{
    const int64_t V = e->logits->shape[1];
    float *x = (e->gradient ? e->gradient : e->logits->value) + r * V;
    if (e->gradient && e->gradient != e->logits->value) memcpy(x, e->logits->value + r * V, (size_t)V * sizeof(float));
    e->row_loss[r] = e->row_nll[r] = 0;
    if (e->targets[r] < 0) {
        if (e->gradient) memset(x, 0, (size_t)V * sizeof(float));
        return;
    }
    double lse, sum;
    const double chosen = x[e->targets[r]];
    if (e->gradient) {
        row_kernels_get()->softmax_gradient(V, e->factor, e->smoothing, x, &lse, &sum);
        x[e->targets[r]] -= e->factor * (1 - e->smoothing);
    } else {
        row_kernels_get()->log_sum_exp(V, x, &lse, &sum);
    }
    e->row_nll[r] = lse - chosen;
    e->row_loss[r] = (1 - (double)e->smoothing) * (lse - chosen) + (double)e->smoothing * (lse - sum / (double)V);
}

static void forward_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const entropy_state *e = argument;
    const int64_t R = e->logits->shape[0];
    float *sums = e->task_sums ? e->task_sums + task * e->logits->shape[1] : NULL;
    if (sums) memset(sums, 0, (size_t)e->logits->shape[1] * sizeof(float));
    for (int64_t r = task * ROWS_PER_TASK; r < R && r < (task + 1) * ROWS_PER_TASK; r++) {
        forward_row(e, r);
        if (sums) row_kernels_get()->add(e->logits->shape[1], e->gradient + r * e->logits->shape[1], sums);
    }
}

static int64_t task_count(const entropy_state *e)
{
    return (e->logits->shape[0] + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

static void sum_columns(void *argument, int64_t task, int worker)
{
    (void)worker;
    const entropy_state *e = argument;
    const int64_t V = e->logits->shape[1], from = task * COLUMNS_PER_TASK;
    const int64_t columns = V - from < COLUMNS_PER_TASK ? V - from : COLUMNS_PER_TASK;
    memset(e->sums + from, 0, (size_t)columns * sizeof(float));
    row_kernels_get()->column_sums(task_count(e), columns, V, e->task_sums + from, e->sums + from);
    row_kernels_get()->scale(columns, e->loss->grad[0], e->sums + from, e->sums + from);
}

/* The gradient is there already, for a loss whose own gradient is 1. */
static void entropy_backward(tape *t, void *operation)
{
    entropy_state *e = operation;
    if (!e->loss->grad || !e->gradient) return;
    const float outer = e->loss->grad[0];
    tensor gradient = *e->logits;
    gradient.grad = e->gradient;
    if (outer != 1) row_kernels_get()->scale(tensor_count(&gradient), outer, gradient.grad, gradient.grad);
    tape_pass_gradient(t, &gradient, e->logits);
    if (!e->task_sums || e->logits->grad != e->gradient) return;
    parallel_for(tape_threads(t), (e->logits->shape[1] + COLUMNS_PER_TASK - 1) / COLUMNS_PER_TASK, sum_columns, e);
    e->logits->grad_sums = e->sums;
}

/* The number of rows that count; -1 for a target outside the vocabulary. */
static int64_t count_targets(int64_t R, int64_t V, const int32_t *targets)
{
    int64_t counted = 0;
    for (int64_t r = 0; r < R; r++) {
        if (targets[r] >= V) {
            status_fail(ATTN_ERROR_ARGUMENT, "target %d at row %lld, expected less than %lld", (int)targets[r],
                        (long long)r, (long long)V);
            return -1;
        }
        counted += targets[r] >= 0;
    }
    return counted;
}

static tensor *fail(tape *t, attn_status status)
{
    tape_fail(t, status);
    return tape_nothing(t);
}

tensor *tape_cross_entropy(tape *t, tensor *logits, const int32_t *targets, float smoothing, double *nll,
                           int64_t *counted)
{
    if (nll) *nll = 0;
    if (counted) *counted = 0;
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (logits->rank != 2 || logits->shape[1] < 1)
        return fail(t,
                    status_fail(ATTN_ERROR_ARGUMENT, "logits of rank %d, expected (rows, vocabulary)", logits->rank));
    const int64_t R = logits->shape[0], V = logits->shape[1], count = count_targets(R, V, targets);
    if (count < 0) return fail(t, ATTN_ERROR_ARGUMENT);
    entropy_state e = {
        .logits = logits, .targets = targets, .smoothing = smoothing, .factor = count ? 1 / (float)count : 0};
    if (tape_get_mode(t) == TAPE_TRAIN && tensor_differentiated(logits))
        e.gradient = logits->traced ? logits->value : tape_take(t, R * V, sizeof(float));
    if (e.gradient && logits->traced) {
        e.task_sums = tape_take(t, task_count(&e) * V, sizeof(float));
        e.sums = tape_take(t, V, sizeof(float));
    }
    e.loss = tape_result(t, 0, NULL);
    e.row_loss = tape_take(t, R, sizeof(double));
    e.row_nll = tape_take(t, R, sizeof(double));
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    parallel_for(tape_threads(t), task_count(&e), forward_rows, &e);
    double loss = 0, plain = 0;
    for (int64_t r = 0; r < R; r++) {
        loss += e.row_loss[r];
        plain += e.row_nll[r];
    }
    e.loss->value[0] = count ? (float)(loss / (double)count) : 0;
    if (nll) *nll = plain;
    if (counted) *counted = count;
    entropy_state *kept = tape_record(t, sizeof e, entropy_backward);
    if (kept) *kept = e;
    return e.loss;
}
