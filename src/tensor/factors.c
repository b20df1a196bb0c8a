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
