/* The product of a step's weights and values tile by tile, by the file's own value_tile, which is defined before this
 * is included: a body for each constant number of rows, so that the compiler unrolls it. */
#ifndef KERNELS_LANE_VALUES_H
#define KERNELS_LANE_VALUES_H

#include "kernels/lane_softmax.h"

/* O shrunk, and the chunk's weighted values added. */
INLINE void value_chunk(const int vectors, const int width, const forward_block *block, const forward_chunk *chunk,
                        const lane_group *g, const vec shrink[GROUP])
{
    const int whole = ROWS(vectors);
    int64_t take;
    for (int64_t c = 0; c < block->DV; c += take) {
        take = next_rows(whole, block->DV - c);
        if (take == 1) value_tile(1, vectors, width, block, chunk, c, g, shrink);
        if (take == 2) value_tile(2, vectors, width, block, chunk, c, g, shrink);
        if (take == 3) value_tile(3, vectors, width, block, chunk, c, g, shrink);
        if (take == 4) value_tile(4, vectors, width, block, chunk, c, g, shrink);
        if (take == 5) value_tile(5, vectors, width, block, chunk, c, g, shrink);
        if (take == 6) value_tile(6, vectors, width, block, chunk, c, g, shrink);
        if (take == 7 && whole > 6) value_tile(7, vectors, width, block, chunk, c, g, shrink);
        if (take == 8 && whole > 6) value_tile(8, vectors, width, block, chunk, c, g, shrink);
    }
}

#endif
