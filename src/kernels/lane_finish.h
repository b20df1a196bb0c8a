/* The end of a block with queries in lanes: a vector of queries' rows of O and log-sum-exps, to where they belong.
 * Built for one instruction set, like simd.h. */
#ifndef KERNELS_LANE_FINISH_H
#define KERNELS_LANE_FINISH_H

#include "kernels/kernels.h"
#include "kernels/lane_group.h"
#include "kernels/simd_math.h"
#include "kernels/simd_parts.h"

#define LN_2 0x1.62e430p-1f

/* One vector of queries' rows of O from o [DV][width], each divided by its sum. */
static inline void write_rows(const forward_block *block, int64_t first, const float *o, int64_t width, vec factor)
{
    vec rows[SIMD_LANES];
    for (int64_t c = 0; c < block->DV; c += SIMD_LANES) {
        int columns = part_at(block->DV, c);
        for (int n = 0; n < SIMD_LANES; n++)
            rows[n] = n < columns ? vec_mul(vec_load(o + (c + n) * width), factor) : vec_zero();
        vec_transpose(rows);
        for (int m = 0; m < SIMD_LANES && first + m < block->queries; m++)
            vec_store_n(block->o + (first + m) * block->o_row + c, rows[m], columns);
    }
}

/* The queries from `first` on; their O is [DV][width], their largest scores and sums are vectors. */
static inline void finish_vector(const forward_block *block, int64_t first, const float *o, int64_t width,
                                 const float *largest, const float *sums)
{
    vec sum = vec_load(sums), zero = vec_zero();
    write_rows(block, first, o, width, vec_select(vec_equal(sum, zero), zero, vec_div(vec_set1(1.0f), sum)));
    if (!block->lse) return;
    float lse[SIMD_LANES];
    const vec score = vec_load(largest), more = vec_log(sum);
    const vec near = vec_fma(vec_mul(score, vec_set1(LOG2_E)), vec_set1(LN_2), more);
    vec_store(lse, vec_select(is_far(score), vec_add(score, more), near));
    for (int m = 0; m < SIMD_LANES && first + m < block->queries; m++)
        block->lse[(first + m) * block->lse_row] = lse[m];
}

#endif
