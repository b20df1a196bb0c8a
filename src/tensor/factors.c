#include "tensor/factors.h"

#include "base/parallel.h"
#include "tensor/row_kernels.h"

#define NARROW_RUN 16384

typedef struct narrowing {
    int64_t count;
    const float *from;
    uint16_t *to;
} narrowing;

static void narrow_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const narrowing *n = argument;
    const int64_t at = task * NARROW_RUN, left = n->count - at;
    row_kernels_get()->narrow(left < NARROW_RUN ? left : NARROW_RUN, n->from + at, n->to + at);
}

void narrow_values(int threads, int64_t count, const float *from, uint16_t *to)
{
    narrowing n = {count, from, to};
    parallel_for(threads, (count + NARROW_RUN - 1) / NARROW_RUN, narrow_run, &n);
}

const uint16_t *factor_narrow(scratch_use which, int threads, int64_t count, const float *from)
{
    uint16_t *to = thread_scratch(which, (size_t)count * sizeof *to);
    if (to) narrow_values(threads, count, from, to);
    return to;
}

/* A task's part. The more columns, the longer the runs that are read: of 1536 x 8000, on one thread of an AMD EPYC of
 * Zen 4, 512 columns take 4.0 ms, 128 take 5.1. The rows are there to be shared among threads. */
#define ROWS_PER_TASK 256
#define COLUMNS_PER_TASK 512

typedef struct transposition {
    int64_t rows, columns;
    const uint16_t *from;
    uint16_t *to;
} transposition;

static int64_t row_tasks(const transposition *t)
{
    return (t->rows + ROWS_PER_TASK - 1) / ROWS_PER_TASK;
}

static void transpose_block(void *argument, int64_t task, int worker)
{
    (void)worker;
    const transposition *t = argument;
    const int64_t r = task % row_tasks(t) * ROWS_PER_TASK, c = task / row_tasks(t) * COLUMNS_PER_TASK;
    const int64_t height = t->rows - r < ROWS_PER_TASK ? t->rows - r : ROWS_PER_TASK;
    const int64_t width = t->columns - c < COLUMNS_PER_TASK ? t->columns - c : COLUMNS_PER_TASK;
    row_kernels_get()->transpose_bf16(height, width, t->from + r * t->columns + c, t->columns, t->to + c * t->rows + r,
                                      t->rows);
}

const uint16_t *factor_transpose(int threads, int64_t rows, int64_t columns, const uint16_t *from)
{
    const size_t bytes = (size_t)(rows * columns) * sizeof(uint16_t);
    transposition t = {rows, columns, from, thread_scratch(SCRATCH_TRANSPOSED, bytes)};
    const int64_t column_tasks = (columns + COLUMNS_PER_TASK - 1) / COLUMNS_PER_TASK;
    if (t.to) parallel_for(threads, row_tasks(&t) * column_tasks, transpose_block, &t);
    return t.to;
}
