#include "base/parallel.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

#include <string.h>

typedef struct norm_state {
    tensor *x, *residual, *gamma, *beta; /* R * D elements, the same or NULL, (D), (D) */
    tensor *y;                           /* (R, D) */
    float epsilon;
    float *s, *mean, *inverse; /* x + residual (R, D); its rows' mean and 1 / sqrt(var + epsilon), (R) each */
    float *ds, *partial;       /* backward: (R, D); each task's dgamma and dbeta, (tasks, 2, D) */
} norm_state;

/* Also the unit of dgamma's and dbeta's sums, so that their order does not depend on the threads. */
#define ROWS_PER_TASK 32

static int64_t row_count(const tensor *x, const tensor *gamma)
{
    return gamma->shape[0] ? tensor_count(x) / gamma->shape[0] : 0;
}

static int64_t task_count(int64_t rows)
{
    return (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

static void forward_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const norm_state *n = argument;
    const int64_t R = row_count(n->x, n->gamma), D = n->gamma->shape[0], r = task * ROWS_PER_TASK;
    const int64_t rows = R - r < ROWS_PER_TASK ? R - r : ROWS_PER_TASK;
    row_kernels_get()->layer_norm(
        rows, D, n->epsilon, n->x->value + r * D, n->residual ? n->residual->value + r * D : NULL, n->gamma->value,
        n->beta->value, n->residual ? n->s + r * D : NULL, n->mean ? n->mean + r : NULL,
        n->inverse ? n->inverse + r : NULL, n->y->value + r * D, n->y->narrow ? n->y->narrow + r * D : NULL);
}

static void backward_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const norm_state *n = argument;
    const int64_t R = row_count(n->x, n->gamma), D = n->gamma->shape[0], r = task * ROWS_PER_TASK;
    const int64_t rows = R - r < ROWS_PER_TASK ? R - r : ROWS_PER_TASK;
    float *partial = n->partial + task * 2 * D;
    memset(partial, 0, (size_t)(2 * D) * sizeof(float));
    row_kernels_get()->layer_norm_back(rows, D, n->s + r * D, n->mean + r, n->inverse + r, n->gamma->value,
                                       n->y->grad + r * D, n->ds + r * D, partial, partial + D);
}

/* Adds the tasks' sums to a parameter's gradient, in the tasks' order. */
static void add_partials(tape *t, tensor *parameter, const float *partial, int64_t tasks, int64_t D)
{
    bool add;
    float *grad = tape_gradient(t, parameter, &add);
    if (!grad) return;
    if (!add) memset(grad, 0, (size_t)D * sizeof(float));
    for (int64_t task = 0; task < tasks; task++) row_kernels_get()->add(D, partial + task * 2 * D, grad);
}

static void norm_backward(tape *t, void *operation)
{
    norm_state *n = operation;
    if (!n->y->grad) return;
    const int64_t D = n->gamma->shape[0], tasks = task_count(row_count(n->x, n->gamma));
    n->partial = tape_take(t, tasks * 2 * D, sizeof(float));
    tensor *ds = tape_result(t, n->x->rank, n->x->shape);
    if (!ds || !n->partial) return;
    n->ds = ds->value;
    parallel_for(tape_threads(t), tasks, backward_rows, n);
    add_partials(t, n->gamma, n->partial, tasks, D);
    add_partials(t, n->beta, n->partial + D, tasks, D);
    ds->grad = ds->value;
    if (n->residual) tape_add_gradient(t, ds->grad, n->residual);
    tape_pass_gradient(t, ds, n->x);
}

static bool shapes_agree(const tensor *x, const tensor *residual, const tensor *gamma, const tensor *beta)
{
    if (x->rank < 1 || gamma->rank != 1 || beta->rank != 1) return false;
    if (gamma->shape[0] < 1 || x->shape[x->rank - 1] % gamma->shape[0]) return false;
    if (beta->shape[0] != gamma->shape[0]) return false;
    return !residual || tensor_count(residual) == tensor_count(x);
}

tensor *tape_layer_norm(tape *t, tensor *x, tensor *residual, tensor *gamma, tensor *beta, float epsilon)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (!shapes_agree(x, residual, gamma, beta)) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "a layer norm of %lld elements by %lld gammas and %lld betas",
                                 (long long)tensor_count(x), (long long)tensor_count(gamma),
                                 (long long)tensor_count(beta)));
        return tape_nothing(t);
    }
    const int64_t R = row_count(x, gamma);
    const bool training = tape_get_mode(t) == TAPE_TRAIN;
    norm_state n = {.x = x, .residual = residual, .gamma = gamma, .beta = beta, .epsilon = epsilon};
    n.y = tape_result(t, x->rank, x->shape);
    n.s = !residual ? x->value : training ? tape_take(t, tensor_count(x), sizeof(float)) : n.y ? n.y->value : NULL;
    if (training) {
        n.mean = tape_take(t, R, sizeof(float));
        n.inverse = tape_take(t, R, sizeof(float));
    }
    uint16_t *narrowed = tape_narrows(t) ? tape_take(t, tensor_count(x), sizeof *narrowed) : NULL;
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    n.y->narrow = narrowed; /* products take it, mostly */
    parallel_for(tape_threads(t), task_count(R), forward_rows, &n);
    norm_state *kept = tape_record(t, sizeof n, norm_backward);
    if (kept) *kept = n;
    return n.y;
}
