/* What an instruction set that multiplies pairs of bf16 puts into the table, over the set that it builds on. */
#include "kernels/kernels.h"
#include "kernels/simd_pairs.h"

peak_kernel SIMD_NAMED(pairs_peak);
pair_rows_kernel SIMD_NAMED(pair_rows);
forward_begin_kernel SIMD_NAMED(forward_pairs_begin);
forward_step_kernel SIMD_NAMED(forward_pairs_step);

backward_begin_kernel SIMD_NAMED(backward_pairs_begin);
backward_scores_kernel SIMD_NAMED(backward_pairs_scores);
backward_products_kernel SIMD_NAMED(backward_pairs_products);
pairs_finite_kernel SIMD_NAMED(pairs_finite);
decode_chunk_kernel SIMD_NAMED(decode_bytes);
decode_chunk_kernel SIMD_NAMED(decode_pairs);

extern kernel_set SIMD_NAMED(pairs_set);

void SIMD_NAMED(pairs_set)(kernel_table *table)
{
    table->pairs_peak = SIMD_NAMED(pairs_peak);
    table->pack_values = SIMD_NAMED(pair_rows);
    table->pack_rows = SIMD_NAMED(pair_rows);
    table->forward_pairs = (forward_kernels){SIMD_NAMED(forward_pairs_begin), SIMD_NAMED(forward_pairs_step),
                                             table->forward_lanes.finish, SIMD_LANES};
    table->backward_pairs = (backward_kernels){SIMD_NAMED(backward_pairs_begin), SIMD_NAMED(backward_pairs_scores),
                                               SIMD_NAMED(backward_pairs_products), table->backward.rows_finite};
    table->decode_bytes = SIMD_NAMED(decode_bytes);
    table->decode_pairs = SIMD_NAMED(decode_pairs);
    table->pairs_finite = SIMD_NAMED(pairs_finite);
}
