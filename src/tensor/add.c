#include "base/parallel.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

/* z = x + y, elementwise; y may be constant rows that repeat. */
typedef struct add_state {
    tensor *x, *y, *z; /* y NULL where the addend is constant */
    const float *addend;
    int64_t period; /* rows of the addend */
} add_state;

#define ROWS_PER_TASK 64

static void forward_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const add_state *a = argument;
    const int64_t rows = tensor_rows(a->z), D = rows ? tensor_count(a->z) / rows : 0;
    for (int64_t r = task * ROWS_PER_TASK; r < rows && r < (task + 1) * ROWS_PER_TASK; r++)
        row_kernels_get()->sum(D, a->x->value + r * D, a->addend + r % a->period * D, a->z->value + r * D);
}

static void add_backward(tape *t, void *operation)
{
    add_state *a = operation;
    if (!a->z->grad) return;
    if (a->y) tape_add_gradient(t, a->z->grad, a->y); /* before x, which may take the memory over */
    tape_pass_gradient(t, a->z, a->x);
}

static tensor *add_addend(tape *t, tensor *x, tensor *y, const float *addend, int64_t period)
{
    tensor *z = tape_result(t, x->rank, x->shape);
    if (!z) return tape_nothing(t);
    add_state a = {x, y, z, addend, period};
    parallel_for(tape_threads(t), (tensor_rows(z) + ROWS_PER_TASK - 1) / ROWS_PER_TASK, forward_rows, &a);
    add_state *kept = tape_record(t, sizeof a, add_backward);
    if (kept) *kept = a;
    return z;
}

tensor *tape_add_rows(tape *t, tensor *x, const float *rows, int64_t period)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (period < 1) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "a period of %lld rows, expected at least 1", (long long)period));
        return tape_nothing(t);
    }
    return add_addend(t, x, NULL, rows, period);
}

tensor *tape_add(tape *t, tensor *x, tensor *y)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (tensor_count(x) != tensor_count(y) || tensor_rows(x) != tensor_rows(y)) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "a sum of tensors of %lld and %lld elements",
                                 (long long)tensor_count(x), (long long)tensor_count(y)));
        return tape_nothing(t);
    }
    return add_addend(t, x, y, y->value, tensor_rows(y) ? tensor_rows(y) : 1);
}
