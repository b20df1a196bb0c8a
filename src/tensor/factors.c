#include "tensor/factors.h"

#include "base/parallel.h"
#include "tensor/row_kernels.h"

#define NARROW_RUN 16384

static void narrow_run(void *argument, int64_t task, int worker)
{
    (void)worker;
    const factor_copy *f = argument;
    const int64_t at = task * NARROW_RUN, left = f->rows * f->columns - at;
    row_kernels_get()->narrow(left < NARROW_RUN ? left : NARROW_RUN, f->from + at, (uint16_t *)f->to + at);
}

/* A band of TRANSPOSE_TILE columns becomes as many rows. */
static void transpose_band(void *argument, int64_t task, int worker)
{
    (void)worker;
    const factor_copy *f = argument;
    const int64_t c = task * TRANSPOSE_TILE, width = f->columns - c < TRANSPOSE_TILE ? f->columns - c : TRANSPOSE_TILE;
    for (int64_t r = 0; r < f->rows; r += TRANSPOSE_TILE) {
        const int64_t height = f->rows - r < TRANSPOSE_TILE ? f->rows - r : TRANSPOSE_TILE;
        row_kernels_get()->narrow_transpose(height, width, f->from + r * f->columns + c, f->columns,
                                            (uint16_t *)f->to + c * f->rows + r, f->rows);
    }
}

const void *factor_narrow(scratch_use which, int threads, factor_copy f)
{
    f.to = thread_scratch(which, (size_t)(f.rows * f.columns) * sizeof(uint16_t));
    if (!f.to) return NULL;
    if (f.transpose)
        parallel_for(threads, (f.columns + TRANSPOSE_TILE - 1) / TRANSPOSE_TILE, transpose_band, &f);
    else
        parallel_for(threads, (f.rows * f.columns + NARROW_RUN - 1) / NARROW_RUN, narrow_run, &f);
    return f.to;
}
