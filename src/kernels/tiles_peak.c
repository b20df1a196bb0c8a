/* What products of tiles of bf16 could reach; kernels.h gives the contract. */
#include "kernels/kernels.h"
#include "kernels/simd_tiles.h"

#include <string.h>

extern peak_kernel SIMD_NAMED(tiles_peak);

/* Six sums cover a product's latency of some three times the cycles that it occupies the unit. */
double SIMD_NAMED(tiles_peak)(int64_t rounds, float *sink)
{
    _Alignas(64) float sums[6][TILE_ROWS][TILE_ROWS];
    /* Pairs of 2^-31: too little to change the sums, and no subnormal numbers. */
    const uint32_t pair = 0x30003000u;
    for (int m = 0; m < TILE_ROWS; m++)
        for (int n = 0; n < TILE_ROWS; n++) memcpy(&sums[0][m][n], &pair, sizeof pair);
    tiles_configure();
    tile_load(6, sums[0], TILE_ROW_BYTES);
    tile_load(7, sums[0], TILE_ROW_BYTES);
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
    tile_zero(4);
    tile_zero(5);
    for (int64_t round = 0; round < rounds; round++) {
        tile_dot(0, 6, 7);
        tile_dot(1, 6, 7);
        tile_dot(2, 6, 7);
        tile_dot(3, 6, 7);
        tile_dot(4, 6, 7);
        tile_dot(5, 6, 7);
    }
    tile_store(0, sums[0], TILE_ROW_BYTES);
    tile_store(1, sums[1], TILE_ROW_BYTES);
    tile_store(2, sums[2], TILE_ROW_BYTES);
    tile_store(3, sums[3], TILE_ROW_BYTES);
    tile_store(4, sums[4], TILE_ROW_BYTES);
    tile_store(5, sums[5], TILE_ROW_BYTES);
    *sink = 0;
    for (int t = 0; t < 6; t++) *sink += sums[t][0][0];
    tiles_release();
    return 6.0 * 2 * TILE_ROWS * TILE_ROWS * TILE_BF16 * (double)rounds;
}
