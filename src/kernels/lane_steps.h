/* One step of each size of group, from the file's own step_part, which is defined before this is included: a body for
 * each constant number of vectors, so that the compiler unrolls it. */
#ifndef KERNELS_LANE_STEPS_H
#define KERNELS_LANE_STEPS_H

#include "kernels/lane_softmax.h"

static void step_1(const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    step_part(1, 1, block, chunk, g);
}

static void step_2(const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    step_part(2, 2, block, chunk, g);
}

#if GROUP == 4
static void step_3(const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    step_part(3, 3, block, chunk, g);
}

static void step_4(const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    step_part(4, 4, block, chunk, g);
}

static void step_halves(const forward_block *block, const forward_chunk *chunk, const lane_group *g)
{
    for (int v = 0; v < 4; v += 2) {
        const lane_group half = half_group(g, v);
        step_part(2, 4, block, chunk, &half);
    }
}

static const group_steps steps = {{NULL, step_1, step_2, step_3, step_4}, step_halves};
#else
static const group_steps steps = {{NULL, step_1, step_2}, NULL};
#endif

#endif
