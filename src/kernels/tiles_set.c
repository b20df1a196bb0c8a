/* What an instruction set that multiplies tiles of bf16 puts into the table, over the set that it builds on, which
 * multiplies pairs of them. */
#include "kernels/kernels.h"
#include "kernels/simd_tiles.h"

peak_kernel SIMD_NAMED(tiles_peak);
pair_rows_kernel SIMD_NAMED(pack_keys), SIMD_NAMED(pack_values), SIMD_NAMED(pack_rows);
forward_begin_kernel SIMD_NAMED(forward_tiles_begin);
forward_step_kernel SIMD_NAMED(forward_tiles_step);
forward_finish_kernel SIMD_NAMED(forward_tiles_finish);
backward_scores_kernel SIMD_NAMED(backward_tiles_scores);
backward_products_kernel SIMD_NAMED(backward_tiles_products);

extern kernel_set SIMD_NAMED(tiles_set);

void SIMD_NAMED(tiles_set)(kernel_table *table)
{
    table->tiles_peak = SIMD_NAMED(tiles_peak);
    table->pack_keys = SIMD_NAMED(pack_keys);
    table->pack_values = SIMD_NAMED(pack_values);
    table->pack_rows = SIMD_NAMED(pack_rows);
    table->backward_pairs.scores = SIMD_NAMED(backward_tiles_scores);
    table->backward_pairs.products = SIMD_NAMED(backward_tiles_products);
    table->forward_pairs = (forward_kernels){SIMD_NAMED(forward_tiles_begin), SIMD_NAMED(forward_tiles_step),
                                             SIMD_NAMED(forward_tiles_finish), TILE_ROWS};
}
