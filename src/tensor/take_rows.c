#include "base/parallel.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

#include <string.h>

typedef struct take_state {
    tensor *x, *y; /* (R, D), (count, D) */
    const int64_t *rows;
    float *grad;
} take_state;

#define ROWS_PER_TASK 64

static void forward_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const take_state *s = argument;
    const int64_t count = s->y->shape[0], D = s->y->shape[1];
    for (int64_t i = task * ROWS_PER_TASK; i < count && i < (task + 1) * ROWS_PER_TASK; i++)
        memcpy(s->y->value + i * D, s->x->value + s->rows[i] * D, (size_t)D * sizeof(float));
}

static void backward_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const take_state *s = argument;
    const int64_t count = s->y->shape[0], D = s->y->shape[1];
    for (int64_t i = task * ROWS_PER_TASK; i < count && i < (task + 1) * ROWS_PER_TASK; i++)
        row_kernels_get()->add(D, s->y->grad + i * D, s->grad + s->rows[i] * D);
}

static void take_backward(tape *t, void *operation)
{
    take_state *s = operation;
    bool add;
    if (!s->y->grad || !(s->grad = tape_gradient(t, s->x, &add))) return;
    if (!add) memset(s->grad, 0, (size_t)tensor_count(s->x) * sizeof(float));
    parallel_for(tape_threads(t), (s->y->shape[0] + ROWS_PER_TASK - 1) / ROWS_PER_TASK, backward_rows, s);
}

tensor *tape_take_rows(tape *t, tensor *x, const int64_t *rows, int64_t count)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    const int64_t R = tensor_rows(x);
    for (int64_t i = 0; i < count; i++) {
        if (rows[i] >= 0 && rows[i] < R) continue;
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "row %lld taken of %lld", (long long)rows[i], (long long)R));
        return tape_nothing(t);
    }
    tensor *y = tape_result(t, 2, (int64_t[]){count, x->shape[x->rank - 1]});
    if (!y) return tape_nothing(t);
    take_state s = {x, y, rows, NULL};
    parallel_for(tape_threads(t), (count + ROWS_PER_TASK - 1) / ROWS_PER_TASK, forward_rows, &s);
    take_state *kept = tape_record(t, sizeof s, take_backward);
    if (kept) *kept = s;
    return y;
}
