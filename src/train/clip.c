#include "train/clip.h"

#include "base/parallel.h"
#include "tensor/row_kernels.h"

#include <math.h>

#define PARTS 256 /* fixed, so that the sum's order depends on the count alone */

typedef struct norm_run {
    int64_t count, part;
    const float *grads;
    double sums[PARTS];
} norm_run;

static void sum_part(void *argument, int64_t task, int worker)
{
    (void)worker;
    norm_run *r = argument;
    const int64_t at = task * r->part, left = r->count - at, n = left < r->part ? left : r->part;
    r->sums[task] = n > 0 ? row_kernels_get()->square_sum(n, r->grads + at) : 0;
}

double gradient_norm(int threads, int64_t count, const float *grads)
{
    norm_run r = {.count = count, .part = count / PARTS + 1, .grads = grads};
    parallel_for(threads, PARTS, sum_part, &r);
    double total = 0;
    for (int i = 0; i < PARTS; i++) total += r.sums[i];
    return sqrt(total);
}

float clip_scale(double norm, double max_norm)
{
    return max_norm > 0 && norm > max_norm ? (float)(max_norm / norm) : 1;
}
