/* The kernels of tiles with the plain C stand-in for AMX's instructions (simd_tiles.h), which no table of the library
 * has. */
#ifndef TESTS_KERNELS_TILE_STANDIN_H
#define TESTS_KERNELS_TILE_STANDIN_H

#include "kernels/kernels.h"

#include <stdbool.h>

kernel_set pairs_set_scalar, tiles_set_scalar, tiles_set_avx512bf16;

/* The table of this level, or of the widest below it whose vectors the tiles are built with beside AMX's own, and the
 * stand-in's kernels over it. False: with the scalar twin's vectors, over its products of pairs. */
static inline bool tile_standin_fill(kernel_table *table, cpu_level level)
{
#if defined(__x86_64__)
    if (level >= CPU_AVX512BF16) {
        kernels_fill(table, CPU_AVX512BF16);
        tiles_set_avx512bf16(table);
        return true;
    }
#endif
    (void)level;
    kernels_fill(table, CPU_SCALAR);
    pairs_set_scalar(table);
    tiles_set_scalar(table);
    return false;
}

#endif
