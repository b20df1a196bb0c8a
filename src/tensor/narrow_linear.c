/* Linear layers of many rows when training in bf16. What oneDNN multiplies is rounded once: x for all that multiply it,
 * the weights for both passes, a gradient while its columns are summed. */
#include "base/parallel.h"
#include "base/status.h"
#include "tensor/dense.h"
#include "tensor/factors.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

#include <string.h>

typedef struct narrow_state {
    tensor *x, *y; /* (R, I), (R, O) */
    linear_part parts[LINEAR_PARTS];
    int count;
    activation act;
    int64_t R, I, O;         /* O of all parts */
    const uint16_t *rows;    /* x's */
    const uint16_t *weights; /* (O, I), the parts' one below the other */
    uint16_t *slopes;        /* (R, O) the activation's; NULL: none */
    uint16_t *dy;            /* (R, O) backward: before the activation */
    float *partial;          /* (tasks, O) the columns' sums of each task's rows */
} narrow_state;

/* Also the unit of the sums, so that their order does not depend on the threads. */
#define ROWS_PER_TASK 64
#define RUN 16384

static int64_t task_count(const narrow_state *l)
{
    return (l->R + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

static const uint16_t *narrow_weights(tape *t, const narrow_state *l)
{
    uint16_t *all = tape_take(t, l->O * l->I, sizeof *all), *to = all;
    for (int i = 0; all && i < l->count; i++) {
        narrow_values(tape_threads(t), tensor_count(l->parts[i].w), l->parts[i].w->value, to);
        to += tensor_count(l->parts[i].w);
    }
    return all;
}

/* The parts' biases side by side, zeros where a part has none; NULL: none has. */
static const float *joined_bias(tape *t, const narrow_state *l)
{
    bool any = false;
    for (int i = 0; i < l->count; i++) any |= l->parts[i].b != NULL;
    if (l->count == 1 || !any) return any ? l->parts[0].b->value : NULL;
    float *all = tape_take(t, l->O, sizeof *all), *to = all;
    for (int i = 0; all && i < l->count; i++) {
        const size_t bytes = (size_t)l->parts[i].w->shape[0] * sizeof *to;
        if (l->parts[i].b)
            memcpy(to, l->parts[i].b->value, bytes);
        else
            memset(to, 0, bytes);
        to += l->parts[i].w->shape[0];
    }
    return all;
}

static void activate_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const narrow_state *l = argument;
    const int64_t at = task * RUN, left = l->R * l->O - at;
    row_kernels_get()->narrow_activations[l->act](left < RUN ? left : RUN, l->y->narrow + at, l->slopes + at);
}

static void forward(tape *t, narrow_state *l)
{
    l->rows = tape_narrow_values(t, l->x);
    l->weights = narrow_weights(t, l);
    if (l->act != ACTIVATION_NONE) l->slopes = tape_take(t, l->R * l->O, sizeof *l->slopes);
    const float *bias = joined_bias(t, l);
    if (tape_status(t) != ATTN_OK) return;
    const dense_narrow product = {.M = l->R,
                                  .N = l->O,
                                  .K = l->I,
                                  .a = l->rows,
                                  .b = l->weights,
                                  .transpose_b = true,
                                  .bias = bias,
                                  .c = l->y->value,
                                  .narrow_c = l->y->narrow};
    tape_fail(t, dense_multiply_narrow(tape_threads(t), &product));
    if (l->act != ACTIVATION_NONE && tape_status(t) == ATTN_OK)
        parallel_for(tape_threads(t), (l->R * l->O + RUN - 1) / RUN, activate_run, l);
}

/* ---- backward --------------------------------------------------------------------------------------------------- */

/* dy, narrow and before the activation, and the sums of its columns over the task's rows. */
static void narrow_gradient_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const narrow_state *l = argument;
    const row_kernels *k = row_kernels_get();
    const int64_t r = task * ROWS_PER_TASK, rows = l->R - r < ROWS_PER_TASK ? l->R - r : ROWS_PER_TASK, at = r * l->O;
    float *sums = l->partial + task * l->O;
    memset(sums, 0, (size_t)l->O * sizeof *sums);
    if (!tensor_is_narrow(l->y))
        k->narrow_and_sum(rows, l->O, l->y->grad + at, l->dy + at, sums);
    else if (l->slopes)
        k->narrow_slopes_back(rows, l->O, l->slopes + at, l->dy + at, sums);
    else
        k->narrow_sums(rows, l->O, l->dy + at, sums);
}

static void add_bias_gradient(tape *t, const narrow_state *l, tensor *b, int64_t from)
{
    bool add;
    const int64_t columns = tensor_count(b);
    float *grad = tape_gradient(t, b, &add);
    if (!grad) return;
    if (!add) memset(grad, 0, (size_t)columns * sizeof *grad);
    for (int64_t task = 0; task < task_count(l); task++)
        row_kernels_get()->add(columns, l->partial + task * l->O + from, grad);
}

/* dw = dy^T x. oneDNN transposes dy as it multiplies: of 1024 columns of 2048 rows that costs 0.16 ms, a copy 0.54 ms.
 * Of several parts it is one product, shared out afterwards. */
static void add_weight_gradients(tape *t, const narrow_state *l)
{
    dense_narrow product = {.M = l->O, .N = l->I, .K = l->R, .a = l->dy, .transpose_a = true, .b = l->rows};
    float *all = NULL;
    if (l->count == 1)
        product.c = tape_gradient(t, l->parts[0].w, &product.accumulate);
    else
        product.c = all = tape_take(t, l->O * l->I, sizeof *all);
    if (product.c) tape_fail(t, dense_multiply_narrow(tape_threads(t), &product));
    if (tape_status(t) != ATTN_OK) return;
    for (int i = 0; all && i < l->count; all += tensor_count(l->parts[i++].w)) tape_add_gradient(t, all, l->parts[i].w);
}

static void add_input_gradient(tape *t, const narrow_state *l)
{
    dense_narrow product = {.M = l->R, .N = l->I, .K = l->O, .a = l->dy, .b = l->weights};
    if (tensor_is_narrow(l->x))
        product.narrow_c = tape_narrow_gradient(t, l->x);
    else
        product.c = tape_gradient(t, l->x, &product.accumulate);
    if (product.c || product.narrow_c) tape_fail(t, dense_multiply_narrow(tape_threads(t), &product));
}

static bool narrow_dy(tape *t, narrow_state *l)
{
    const size_t bytes = (size_t)(l->R * l->O) * sizeof *l->dy;
    l->dy = tensor_is_narrow(l->y) ? l->y->narrow_grad : thread_scratch(SCRATCH_A, bytes);
    l->partial = tape_take(t, task_count(l) * l->O, sizeof *l->partial);
    if (!l->dy) tape_fail(t, status_fail(ATTN_ERROR_MEMORY, "no memory for a gradient"));
    if (tape_status(t) != ATTN_OK) return false;
    parallel_for(tape_threads(t), task_count(l), narrow_gradient_rows, l);
    return true;
}

static void narrow_linear_backward(tape *t, void *operation)
{
    narrow_state *l = operation;
    if (!l->y->grad && !l->y->narrow_grad) return;
    if (!narrow_dy(t, l)) return;
    int64_t from = 0;
    for (int i = 0; i < l->count; from += l->parts[i++].w->shape[0])
        if (l->parts[i].b) add_bias_gradient(t, l, l->parts[i].b, from);
    add_weight_gradients(t, l);
    if (tape_status(t) == ATTN_OK) add_input_gradient(t, l);
}

/* ---- the operation ---------------------------------------------------------------------------------------------- */

static bool parts_agree(const narrow_state *l)
{
    for (int i = 0; i < l->count; i++) {
        const linear_part *p = &l->parts[i];
        if (p->w->rank < 2 || p->w->shape[0] < 1 || tensor_count(p->w) != p->w->shape[0] * l->I) return false;
        if (p->b && tensor_count(p->b) != p->w->shape[0]) return false;
    }
    return l->R > 0 && l->I > 0;
}

tensor *tape_narrow_linear(tape *t, tensor *x, const linear_part *parts, int count, activation act, bool narrow)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    narrow_state l = {.x = x, .count = count, .act = act, .R = tensor_rows(x)};
    l.I = x->rank ? x->shape[x->rank - 1] : 0;
    memcpy(l.parts, parts, (size_t)count * sizeof *parts);
    for (int i = 0; i < count; i++) l.O += parts[i].w->shape[0];
    if (!parts_agree(&l) || !tape_narrows(t) || (act != ACTIVATION_NONE && !narrow)) {
        tape_fail(t,
                  status_fail(ATTN_ERROR_ARGUMENT, "linear layers of bf16 of (%lld, %lld), %d by weights (%lld, %lld)",
                              (long long)l.R, (long long)l.I, count, (long long)parts[0].w->shape[0],
                              (long long)parts[0].w->shape[1]));
        return tape_nothing(t);
    }
    int64_t shape[TENSOR_MAX_RANK];
    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank - 1] = l.O;
    l.y = narrow ? tape_narrow_result(t, x->rank, shape) : tape_result(t, x->rank, shape);
    if (l.y) forward(t, &l);
    narrow_state *kept = tape_record(t, sizeof l, narrow_linear_backward);
    if (kept) *kept = l;
    return tape_status(t) == ATTN_OK ? l.y : tape_nothing(t);
}
