#include "base/parallel.h"
#include "base/status.h"
#include "tensor/operations.h"
#include "tensor/row_kernels.h"

#include <string.h>

typedef struct embed_state {
    tensor *table; /* (V, D) */
    const int32_t *ids;
    float scale;
    tensor *y; /* (rows, D) */
    float *grad;
} embed_state;

#define ROWS_PER_TASK 64
#define COLUMNS_PER_TASK 64

static void forward_rows(void *argument, int64_t task, int worker)
{
    (void)worker;
    const embed_state *e = argument;
    const int64_t rows = e->y->shape[0], D = e->y->shape[1];
    for (int64_t r = task * ROWS_PER_TASK; r < rows && r < (task + 1) * ROWS_PER_TASK; r++)
        row_kernels_get()->scale(D, e->scale, e->table->value + e->ids[r] * D, e->y->value + r * D);
}

/* A task owns some columns of the table's gradient and adds all rows to them in their order, so that two equal ids
 * never meet and the sum's order is fixed. */
static void backward_columns(void *argument, int64_t task, int worker)
{
    (void)worker;
    const embed_state *e = argument;
    const int64_t rows = e->y->shape[0], D = e->y->shape[1], from = task * COLUMNS_PER_TASK;
    const int64_t columns = D - from < COLUMNS_PER_TASK ? D - from : COLUMNS_PER_TASK;
    for (int64_t r = 0; r < rows; r++)
        row_kernels_get()->add_scaled(columns, e->scale, e->y->grad + r * D + from, e->grad + e->ids[r] * D + from);
}

static void embed_backward(tape *t, void *operation)
{
    embed_state *e = operation;
    bool add;
    if (!e->y->grad || !(e->grad = tape_gradient(t, e->table, &add))) return;
    if (!add) memset(e->grad, 0, (size_t)tensor_count(e->table) * sizeof(float));
    parallel_for(tape_threads(t), (e->y->shape[1] + COLUMNS_PER_TASK - 1) / COLUMNS_PER_TASK, backward_columns, e);
}

tensor *tape_embed(tape *t, tensor *table, const int32_t *ids, int64_t rows, float scale)
{
    if (tape_status(t) != ATTN_OK) return tape_nothing(t);
    for (int64_t r = 0; r < rows; r++) {
        if (ids[r] >= 0 && ids[r] < table->shape[0]) continue;
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "id %d at row %lld, expected 0 to %lld", (int)ids[r],
                                 (long long)r, (long long)table->shape[0] - 1));
        return tape_nothing(t);
    }
    tensor *y = tape_result(t, 2, (int64_t[]){rows, table->shape[1]});
    if (!y) return tape_nothing(t);
    embed_state e = {table, ids, scale, y, NULL};
    parallel_for(tape_threads(t), (rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK, forward_rows, &e);
    embed_state *kept = tape_record(t, sizeof e, embed_backward);
    if (kept) *kept = e;
    return y;
}
