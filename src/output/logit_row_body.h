/* One body; logit_row_scalar.c, logit_row_avx2.c and logit_row_avx512.c name the instruction set and include it. */
#include "output/logit_row.h"

#include "kernels/simd_math.h"

#include <math.h>

static float block_maxima(const float *logits, int64_t vocabulary, int64_t block, float *maxima)
{
    float largest = -INFINITY;
    for (int64_t begin = 0, b = 0; begin < vocabulary; begin += block, b++) {
        int64_t end = vocabulary - begin < block ? vocabulary : begin + block, v = begin;
        vec best = vec_set1(-INFINITY);
        for (; v + SIMD_LANES <= end; v += SIMD_LANES) best = vec_max(vec_load(logits + v), best);
        float maximum = vec_largest(best);
        for (; v < end; v++) maximum = logits[v] > maximum ? logits[v] : maximum;
        maxima[b] = maximum;
        largest = maximum > largest ? maximum : largest;
    }
    return largest;
}

/* 32 vectors are summed in fp32, their sums in fp64. */
static double sum_exponentials(const float *logits, int64_t vocabulary, float maximum)
{
    vec shift = vec_set1(maximum);
    double sum = 0;
    int64_t v = 0;
    while (v + SIMD_LANES <= vocabulary) {
        vec part = vec_zero();
        for (int i = 0; i < 32 && v + SIMD_LANES <= vocabulary; i++, v += SIMD_LANES)
            part = vec_add(part, vec_exp(vec_sub(vec_load(logits + v), shift)));
        sum += (double)vec_sum(part);
    }
    for (; v < vocabulary; v++) sum += exp((double)logits[v] - (double)maximum);
    return sum;
}

const logit_row_functions SIMD_NAMED(logit_row) = {block_maxima, sum_exponentials};
