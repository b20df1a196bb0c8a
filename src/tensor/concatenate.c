#include "base/parallel.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

#include <string.h>

typedef struct concatenate_state {
    tensor *const *parts; /* on the tape */
    int count;
    int64_t rows, width;
    tensor *y; /* (rows, width); its shape may have been changed by who got it */
} concatenate_state;

/* One part's columns of the whole, on their way there or, gradients, back. */
typedef struct column_copy {
    const float *from;
    float *to;
    int64_t rows, columns, from_stride, to_stride;
    bool add;
} column_copy;

#define ROWS_PER_TASK 64

static void copy_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const column_copy *c = argument;
    for (int64_t r = task * ROWS_PER_TASK; r < c->rows && r < (task + 1) * ROWS_PER_TASK; r++) {
        const float *from = c->from + r * c->from_stride;
        float *to = c->to + r * c->to_stride;
        if (c->add)
            row_kernels_get()->add(c->columns, from, to);
        else
            memcpy(to, from, (size_t)c->columns * sizeof(float));
    }
}

static void copy_columns(const tape *t, column_copy c)
{
    parallel_for(tape_threads(t), (c.rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, copy_rows, &c);
}

static void concatenate_backward(tape *t, void *operation)
{
    const concatenate_state *s = operation;
    if (!s->y->grad) return;
    const float *from = s->y->grad;
    for (int i = 0; i < s->count; i++) {
        const int64_t D = s->parts[i]->shape[1];
        column_copy c = {from, NULL, s->rows, D, s->width, D, false};
        c.to = tape_gradient(t, s->parts[i], &c.add);
        if (c.to) copy_columns(t, c);
        from += D;
    }
}

static bool parts_agree(tensor *const *parts, int count)
{
    for (int i = 0; i < count; i++)
        if (parts[i]->rank != 2 || parts[i]->shape[0] != parts[0]->shape[0]) return false;
    return count > 0;
}

tensor *tape_concatenate(tape *t, tensor *const *parts, int count)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    if (!parts_agree(parts, count)) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "%d parts to concatenate, of different counts of rows", count));
        return tape_nothing(t);
    }
    int64_t width = 0;
    for (int i = 0; i < count; i++) width += parts[i]->shape[1];
    const int64_t rows = parts[0]->shape[0];
    tensor *y = tape_result(t, 2, (int64_t[]){rows, width});
    tensor **kept_parts = tape_take(t, count, sizeof *kept_parts);
    if (!y || !kept_parts) return tape_nothing(t);
    float *to = y->value;
    for (int i = 0; i < count; i++) {
        const int64_t D = parts[i]->shape[1];
        kept_parts[i] = parts[i];
        copy_columns(t, (column_copy){parts[i]->value, to, rows, D, D, width, false});
        to += D;
    }
    concatenate_state *kept = tape_record(t, sizeof *kept, concatenate_backward);
    if (kept) *kept = (concatenate_state){kept_parts, count, rows, width, y};
    return tape_status(t) == ATTN_OK ? y : tape_nothing(t);
}
