/* What an instruction set that multiplies tiles of bf16 puts into the table, over the set that it builds on. */
#include "kernels/kernels.h"
#include "kernels/simd_tiles.h"

peak_kernel SIMD_NAMED(tiles_peak);
pair_rows_kernel SIMD_NAMED(pack_keys), SIMD_NAMED(pack_values);
forward_begin_kernel SIMD_NAMED(forward_tiles_begin);
forward_step_kernel SIMD_NAMED(forward_tiles_step);
forward_finish_kernel SIMD_NAMED(forward_tiles_finish);

extern kernel_set SIMD_NAMED(tiles_set);

void SIMD_NAMED(tiles_set)(kernel_table *table)
{
    table->tiles_peak = SIMD_NAMED(tiles_peak);
    table->pack_keys = SIMD_NAMED(pack_keys);
    table->pack_values = SIMD_NAMED(pack_values);
    table->forward_pairs = (forward_kernels){SIMD_NAMED(forward_tiles_begin), SIMD_NAMED(forward_tiles_step),
                                             SIMD_NAMED(forward_tiles_finish), TILE_ROWS};
}
