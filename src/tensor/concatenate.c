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

static void concatenate_backward(tape *t, void *operation)
{
    const concatenate_state *s = operation;
    if (!s->y->grad) return;
    const int64_t rows = s->rows, width = s->width;
    const float *from = s->y->grad;
    for (int i = 0; i < s->count; i++) {
        const int64_t D = s->parts[i]->shape[1];
        bool add;
        float *to = tape_gradient(t, s->parts[i], &add);
        for (int64_t r = 0; to && r < rows; r++) {
            if (add)
                row_kernels_get()->add(D, from + r * width, to + r * D);
            else
                memcpy(to + r * D, from + r * width, (size_t)D * sizeof(float));
        }
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
        for (int64_t r = 0; r < rows; r++) memcpy(to + r * width, parts[i]->value + r * D, (size_t)D * sizeof(float));
        to += D;
    }
    concatenate_state *kept = tape_record(t, sizeof *kept, concatenate_backward);
    if (kept) *kept = (concatenate_state){kept_parts, count, rows, width, y};
    return tape_status(t) == ATTN_OK ? y : tape_nothing(t);
}
