#include "kernels/kernels.h"
#include "kernels/simd_math.h"

/* Two FMA units of latency 4 or 5 need ten chains in flight; twelve leave registers for the factors in every set. */
#define CHAINS 12

/* Hyperbolic tangents are some twenty instructions each, of which eight fit the registers side by side. */
#define TANH_CHAINS 8

extern peak_kernel SIMD_NAMED(peak), SIMD_NAMED(tanh_peak);
extern read_kernel SIMD_NAMED(read);

double SIMD_NAMED(peak)(int64_t rounds, float *sink)
{
    vec sum[CHAINS];
    for (int i = 0; i < CHAINS; i++) sum[i] = vec_set1((float)i);
    /* A factor below 1 keeps the sums finite however long it runs. */
    vec factor = vec_set1(0.999f), step = vec_set1(0.001f);
    for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) sum[i] = vec_fma(sum[i], factor, step);
    }
    vec all = sum[0];
    for (int i = 1; i < CHAINS; i++) all = vec_add(all, sum[i]);
    *sink = vec_sum(all);
    return 2.0 * CHAINS * SIMD_LANES * (double)rounds;
}

double SIMD_NAMED(tanh_peak)(int64_t rounds, float *sink)
{
    vec x[TANH_CHAINS];
    for (int i = 0; i < TANH_CHAINS; i++) x[i] = vec_set1((float)i);
    vec factor = vec_set1(0.999f), step = vec_set1(0.001f);
    for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 8
        for (int i = 0; i < TANH_CHAINS; i++) x[i] = vec_fma(vec_tanh(x[i]), factor, step);
    }
    vec all = x[0];
    for (int i = 1; i < TANH_CHAINS; i++) all = vec_add(all, x[i]);
    *sink = vec_sum(all);
    return TANH_CHAINS * SIMD_LANES * (double)rounds;
}

void SIMD_NAMED(read)(const float *x, int64_t count, float *sink)
{
    vec sum[CHAINS];
    for (int i = 0; i < CHAINS; i++) sum[i] = vec_zero();
    int64_t n = 0;
    for (; n + CHAINS * SIMD_LANES <= count; n += CHAINS * SIMD_LANES) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) sum[i] = vec_add(sum[i], vec_load(x + n + i * SIMD_LANES));
    }
    for (; n < count; n += SIMD_LANES)
        sum[0] = vec_add(sum[0], vec_load_n(x + n, count - n < SIMD_LANES ? (int)(count - n) : SIMD_LANES));
    vec all = sum[0];
    for (int i = 1; i < CHAINS; i++) all = vec_add(all, sum[i]);
    *sink = vec_sum(all);
}
