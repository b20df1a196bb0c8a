/* What one instruction set puts into the table: built once per set, like the kernels that it names. */
#include "kernels/kernels.h"
#include "kernels/simd.h"

peak_kernel SIMD_NAMED(peak), SIMD_NAMED(tanh_peak);
read_kernel SIMD_NAMED(read);
dropout_factors_kernel SIMD_NAMED(dropout_factors);
modification_kernel SIMD_NAMED(modification);
seen_kernel SIMD_NAMED(seen);
cut_kernel SIMD_NAMED(cut);
widen_rows_kernel SIMD_NAMED(widen_rows);
narrow_rows_kernel SIMD_NAMED(narrow_rows);
forward_begin_kernel SIMD_NAMED(forward_lanes_begin), SIMD_NAMED(forward_rows_begin);
forward_step_kernel SIMD_NAMED(forward_lanes_step), SIMD_NAMED(forward_rows_step);
forward_finish_kernel SIMD_NAMED(forward_lanes_finish), SIMD_NAMED(forward_rows_finish);
forward_heads_kernel SIMD_NAMED(forward_heads);
backward_begin_kernel SIMD_NAMED(backward_begin);
backward_scores_kernel SIMD_NAMED(backward_scores);
backward_products_kernel SIMD_NAMED(backward_products);
rows_finite_kernel SIMD_NAMED(rows_finite);
double_sums_kernel SIMD_NAMED(double_sums);
double_scores_kernel SIMD_NAMED(double_scores);
decode_chunk_kernel SIMD_NAMED(decode_chunk);

extern kernel_set SIMD_NAMED(kernel_set);

void SIMD_NAMED(kernel_set)(kernel_table *table)
{
    table->lanes = SIMD_LANES;
    table->peak = SIMD_NAMED(peak);
    table->tanh_peak = SIMD_NAMED(tanh_peak);
    table->read = SIMD_NAMED(read);
    table->dropout_factors = SIMD_NAMED(dropout_factors);
    table->modification = SIMD_NAMED(modification);
    table->seen = SIMD_NAMED(seen);
    table->cut = SIMD_NAMED(cut);
    table->widen_rows = SIMD_NAMED(widen_rows);
    table->narrow_rows = SIMD_NAMED(narrow_rows);
    table->forward_lanes = (forward_kernels){SIMD_NAMED(forward_lanes_begin), SIMD_NAMED(forward_lanes_step),
                                             SIMD_NAMED(forward_lanes_finish), SIMD_LANES};
    table->forward_rows = (forward_kernels){SIMD_NAMED(forward_rows_begin), SIMD_NAMED(forward_rows_step),
                                            SIMD_NAMED(forward_rows_finish), SIMD_LANES};
    table->forward_heads = SIMD_NAMED(forward_heads);
    table->backward = (backward_kernels){SIMD_NAMED(backward_begin), SIMD_NAMED(backward_scores),
                                         SIMD_NAMED(backward_products), SIMD_NAMED(rows_finite)};
    table->double_backward = (double_kernels){SIMD_NAMED(double_sums), SIMD_NAMED(double_scores)};
    table->decode_chunk = SIMD_NAMED(decode_chunk);
}
