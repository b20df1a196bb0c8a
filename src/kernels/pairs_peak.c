/* What products of pairs of bf16 could reach; kernels.h gives the contract. */
#include "kernels/kernels.h"
#include "kernels/simd_pairs.h"

/* As in peak.c; a step of a product's tile has a latency of up to six. */
#define CHAINS 12

extern peak_kernel SIMD_NAMED(pairs_peak);

double SIMD_NAMED(pairs_peak)(int64_t rounds, float *sink)
{
    vec sum[CHAINS];
    for (int i = 0; i < CHAINS; i++) sum[i] = vec_set1((float)i);
    /* 2^-31 and 2^-29: too little to change the sums, and no subnormal numbers. */
    const pairs factor = pairs_set1(0x30003000u), other = pairs_set1(0x31003100u);
    for (int64_t round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) sum[i] = pairs_dot(factor, other, sum[i]);
    }
    vec all = sum[0];
    for (int i = 1; i < CHAINS; i++) all = vec_add(all, sum[i]);
    *sink = vec_sum(all);
    return 4.0 * CHAINS * SIMD_LANES * (double)rounds;
}
