/* The softmax of one row of scores with keys in lanes, as kernels for few queries take it; built for one instruction
 * set, like simd.h. */
#ifndef KERNELS_ROW_SOFTMAX_H
#define KERNELS_ROW_SOFTMAX_H

#include "kernels/simd_math.h"
#include "kernels/simd_parts.h"
#include "kernels/soft_cap.h"

#include <stdint.h>

INLINE float first_lane(vec x)
{
    float lanes[SIMD_LANES];
    vec_store(lanes, x);
    return lanes[0];
}

/* The score capped (softcap 0: not) and modified: -inf where modification is, which may be NULL. */
static inline vec modified_score(float softcap, vec score, const float *modification, int part)
{
    if (softcap > 0) {
        const soft_cap cap = soft_cap_of(softcap);
        score = soft_capped(&cap, score);
    }
    if (!modification) return score;
    vec change = vec_load_n(modification, part), masked = vec_set1(-INFINITY);
    return vec_select(vec_equal(change, masked), masked, vec_add(score, change));
}

/* The largest of a row's scores and `largest`. */
static inline float largest_score(const float *scores, int64_t keys, float largest)
{
    vec most = vec_set1(largest), other = most;
    int64_t n = 0;
    for (; n + 2 * SIMD_LANES <= keys; n += 2 * SIMD_LANES) {
        most = vec_max(vec_load(scores + n), most);
        other = vec_max(vec_load(scores + n + SIMD_LANES), other);
    }
    for (; n < keys; n += SIMD_LANES) {
        const int part = part_at(keys, n);
        most = vec_max(vec_select(mask_first(part), load_part(scores + n, part), most), most);
    }
    return vec_largest(vec_max(most, other));
}

/* Caps and modifies a row of scores; returns the largest of them and `largest`. */
static inline float modify_row(float softcap, float *scores, int64_t keys, const float *modification, float largest)
{
    if (!(softcap > 0) && !modification) return largest_score(scores, keys, largest);
    vec most = vec_set1(largest);
    for (int64_t n = 0; n < keys; n += SIMD_LANES) {
        int part = part_at(keys, n);
        vec s = modified_score(softcap, load_part(scores + n, part), modification ? modification + n : NULL, part);
        vec_store_n(scores + n, s, part);
        most = vec_max(vec_select(mask_first(part), s, most), most);
    }
    return vec_largest(most);
}

/* scores to exp(score - largest); returns their sum. */
static inline float weigh_row(float *scores, int64_t keys, float largest)
{
    vec sum = vec_zero(), base = vec_set1(largest == -INFINITY ? 0 : largest);
    int64_t n = 0;
    for (; n + SIMD_LANES <= keys; n += SIMD_LANES) {
        const vec p = vec_exp(vec_sub(vec_load(scores + n), base));
        vec_store(scores + n, p);
        sum = vec_add(sum, p);
    }
    if (n < keys) {
        const int part = part_at(keys, n);
        const vec p = vec_exp(vec_sub(vec_load_n(scores + n, part), base));
        vec_store_n(scores + n, p, part);
        sum = vec_add(sum, vec_select(mask_first(part), p, vec_zero()));
    }
    return vec_sum(sum);
}

#endif
