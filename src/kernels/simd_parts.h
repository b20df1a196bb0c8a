/* Rows whose last vector is only part of one: its other lanes read as 0 and are not touched. Built for one instruction
 * set, like simd.h. */
#ifndef KERNELS_SIMD_PARTS_H
#define KERNELS_SIMD_PARTS_H

#include "kernels/simd.h"

#include <stdint.h>

/* How many lanes are left of a row of `length` at i, at most a vector's. */
INLINE int part_at(int64_t length, int64_t i)
{
    return (int)(length - i < SIMD_LANES ? length - i : SIMD_LANES);
}

/* The first `part` lanes; where all of them are there, which often is known here, without a mask. */
INLINE vec load_part(const float *p, int part)
{
    return part == SIMD_LANES ? vec_load(p) : vec_load_n(p, part);
}

INLINE void store_part(float *p, vec x, int part)
{
    if (part == SIMD_LANES)
        vec_store(p, x);
    else
        vec_store_n(p, x, part);
}

#endif
