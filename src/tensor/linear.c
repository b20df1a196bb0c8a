#include "base/parallel.h"
#include "base/status.h"
#include "tensor/dense.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

#include <string.h>

typedef struct linear_state {
    tensor *x, *w, *b; /* (R, I), (O, I), (O) or NULL */
    tensor *y;         /* (R, O) */
    activation act;
    const float *z; /* the activation's slopes, or its results, from which they follow */
    float *b_grad;
} linear_state;

#define RUN 16384
#define COLUMNS_PER_TASK 64
#define MOST_COLUMNS_PER_TASK 512

typedef void (*activation_kernel)(int64_t n, const float *x, float *y);

static activation_kernel forward_kernel(activation act)
{
    const row_kernels *k = row_kernels_get();
    const activation_kernel kernels[] = {NULL, k->relu, k->gelu, k->swish, k->tanh};
    return kernels[act];
}

static activation_kernel backward_kernel(activation act)
{
    const row_kernels *k = row_kernels_get();
    const activation_kernel kernels[] = {NULL, k->relu_back, k->multiply, k->multiply, k->tanh_back};
    return kernels[act];
}

typedef void (*slope_kernel)(int64_t n, float *x, float *y);

/* NULL where the slope follows from the result, so that nothing else need be kept. */
static slope_kernel forward_slope_kernel(activation act)
{
    const row_kernels *k = row_kernels_get();
    const slope_kernel kernels[] = {NULL, NULL, k->gelu_and_slope, k->swish_and_slope, NULL};
    return kernels[act];
}

/* I: all dimensions of the weights but the first. */
static int64_t inputs_of(const tensor *w)
{
    return w->shape[0] ? tensor_count(w) / w->shape[0] : w->shape[1];
}

/* One kernel over a whole array. */
typedef struct activation_run {
    activation_kernel kernel;
    int64_t count;
    const float *x;
    float *y;
} activation_run;

static void run_chunk(void *argument, int64_t task, int worker)
{
    (void)worker;
    const activation_run *a = argument;
    int64_t at = task * RUN, n = a->count - at < RUN ? a->count - at : RUN;
    a->kernel(n, a->x + at, a->y + at);
}

static void run_activation(tape *t, activation_kernel kernel, int64_t count, const float *x, float *y)
{
    activation_run a = {kernel, count, x, y};
    parallel_for(tape_threads(t), (count + RUN - 1) / RUN, run_chunk, &a);
}

/* The same of a kernel that leaves slopes in place of x. */
typedef struct slope_run {
    slope_kernel kernel;
    int64_t count;
    float *x, *y;
} slope_run;

static void run_slope_chunk(void *argument, int64_t task, int worker)
{
    (void)worker;
    const slope_run *a = argument;
    int64_t at = task * RUN, n = a->count - at < RUN ? a->count - at : RUN;
    a->kernel(n, a->x + at, a->y + at);
}

/* Little work is shared among many threads, much is done in runs that memory likes: a vocabulary's columns. */
static int64_t columns_per_task(int64_t O)
{
    return O >= 8 * MOST_COLUMNS_PER_TASK ? MOST_COLUMNS_PER_TASK : COLUMNS_PER_TASK;
}

static void sum_columns(void *argument, int64_t task, int worker)
{
    (void)worker;
    const linear_state *l = argument;
    const int64_t O = l->w->shape[0], share = columns_per_task(O), from = task * share;
    const int64_t columns = O - from < share ? O - from : share;
    row_kernels_get()->column_sums(tensor_rows(l->y), columns, O, l->y->grad + from, l->b_grad + from);
}

/* db = sum of dy's rows, dx = dy w, dw = dy^T x; dy has become the gradient before the activation in place. */
static void linear_backward(tape *t, void *operation)
{
    linear_state *l = operation;
    if (!l->y->grad) return;
    const int64_t R = tensor_rows(l->y), O = l->w->shape[0], I = inputs_of(l->w);
    bool add;
    if (l->act != ACTIVATION_NONE) run_activation(t, backward_kernel(l->act), R * O, l->z, l->y->grad);
    if (l->b && (l->b_grad = tape_gradient(t, l->b, &add))) {
        if (!add) memset(l->b_grad, 0, (size_t)O * sizeof(float));
        if (l->y->grad_sums && l->act == ACTIVATION_NONE)
            row_kernels_get()->add(O, l->y->grad_sums, l->b_grad);
        else
            parallel_for(tape_threads(t), (O + columns_per_task(O) - 1) / columns_per_task(O), sum_columns, l);
    }
    dense_gradient w = {.by = l->x->value}, x = {.by = l->w->value};
    w.to = tape_gradient(t, l->w, &w.accumulate);
    x.to = tape_gradient(t, l->x, &x.accumulate);
    const dense_packed *packed = x.to ? tape_packed(t, l->w, false) : NULL;
    if (packed) {
        tape_fail(t, dense_multiply_packed(tape_threads(t), R, l->y->grad, packed, NULL, x.accumulate, x.to));
        x.to = NULL;
    }
    tape_fail(t, dense_gradients(tape_products(t), tape_threads(t), R, O, I, l->y->grad, &w, &x));
}

/* Applies the activation; returns what the backward pass will need. */
static const float *activate(tape *t, activation act, tensor *y)
{
    const int64_t n = tensor_count(y);
    float *values = y->value;
    const slope_kernel kernel = tape_get_mode(t) == TAPE_TRAIN ? forward_slope_kernel(act) : NULL;
    if (!kernel) {
        run_activation(t, forward_kernel(act), n, values, values);
        return values;
    }
    y->value = tape_take(t, n, sizeof(float));
    if (!y->value) return NULL;
    slope_run a = {kernel, n, values, y->value};
    parallel_for(tape_threads(t), (n + RUN - 1) / RUN, run_slope_chunk, &a);
    return values;
}

static attn_status multiply(tape *t, const tensor *x, const tensor *w, const float *bias, float *y)
{
    const int64_t R = tensor_rows(x), O = w->shape[0], I = inputs_of(w);
    const dense_packed *packed = tape_packed(t, w, true);
    if (packed) return dense_multiply_packed(tape_threads(t), R, x->value, packed, bias, false, y);
    return dense_multiply(tape_products(t), tape_threads(t), R, O, I, x->value, false, w->value, true, bias, false, y);
}

/* From this many rows on, weights that several products of a step share are not worth packing for all of them
 * (tape_packed), and what else the products share is. */
#define ROWS_WORTH_NARROWING 1024

tensor *tape_linear(tape *t, tensor *x, tensor *w, tensor *b, activation act)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    const bool many = tape_narrows(t) && tensor_rows(x) >= ROWS_WORTH_NARROWING && act == ACTIVATION_NONE;
    if (many || tensor_is_narrow(x)) return tape_narrow_linear(t, x, &(linear_part){w, b}, 1, act, false);
    if (x->rank < 1 || w->rank < 2 || x->shape[x->rank - 1] != inputs_of(w) || (b && tensor_count(b) != w->shape[0])) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "a linear layer of %lld columns by weights (%lld, %lld)",
                                 (long long)(x->rank ? x->shape[x->rank - 1] : 0), (long long)w->shape[0],
                                 (long long)(w->rank < 2 ? 0 : inputs_of(w))));
        return tape_nothing(t);
    }
    int64_t shape[TENSOR_MAX_RANK];
    memcpy(shape, x->shape, sizeof shape);
    shape[x->rank - 1] = w->shape[0];
    tensor *y = tape_result(t, x->rank, shape);
    if (!y) return tape_nothing(t);
    tape_fail(t, multiply(t, x, w, b ? b->value : NULL, y->value));
    linear_state l = {x, w, b, y, act, NULL, NULL};
    if (act != ACTIVATION_NONE && tape_status(t) == ATTN_OK) l.z = activate(t, act, y);
    linear_state *kept = tape_record(t, sizeof l, linear_backward);
    if (kept) *kept = l;
    return tape_status(t) == ATTN_OK ? y : tape_nothing(t);
}
