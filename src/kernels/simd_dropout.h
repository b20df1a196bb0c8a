/* dropout.h's decisions for a vector of queries at once; the same bits. */
#ifndef KERNELS_SIMD_DROPOUT_H
#define KERNELS_SIMD_DROPOUT_H

#include "kernels/dropout.h"
#include "kernels/simd.h"

/* For the queries i .. i + SIMD_LANES - 1 in lanes, and the keys 4 * quad .. 4 * quad + 3: kept[w] has the lanes whose
 * weight for key 4 * quad + w is kept. */
static inline void dropout_keeps_quad(const dropout_draw *draw, int64_t i, int64_t quad, vmask kept[4])
{
    uint32_t k0 = (uint32_t)draw->key, k1 = (uint32_t)(draw->key >> 32);
    ivec c0 = ivec_set1((uint32_t)quad), c1 = ivec_add(ivec_set1((uint32_t)i), ivec_iota());
    ivec c2 = ivec_set1(draw->head), c3 = ivec_set1(0);
    for (int round = 0; round < 10; round++) {
        ivec high0, high1;
        ivec low0 = ivec_multiply_wide(c0, 0xD2511F53u, &high0), low1 = ivec_multiply_wide(c2, 0xCD9E8D57u, &high1);
        c0 = ivec_xor(ivec_xor(high1, c1), ivec_set1(k0));
        c2 = ivec_xor(ivec_xor(high0, c3), ivec_set1(k1));
        c1 = low1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    ivec threshold = ivec_set1(draw->threshold);
    kept[0] = mask_not(ivec_less(c0, threshold));
    kept[1] = mask_not(ivec_less(c1, threshold));
    kept[2] = mask_not(ivec_less(c2, threshold));
    kept[3] = mask_not(ivec_less(c3, threshold));
}

#endif
