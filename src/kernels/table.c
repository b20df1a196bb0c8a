#include "kernels/kernels.h"

#include <pthread.h>

peak_kernel peak_scalar, tanh_peak_scalar;
read_kernel read_scalar;
dropout_factors_kernel dropout_factors_scalar;
modification_kernel modification_scalar;
forward_begin_kernel forward_lanes_begin_scalar, forward_rows_begin_scalar;
forward_step_kernel forward_lanes_step_scalar, forward_rows_step_scalar;
forward_finish_kernel forward_lanes_finish_scalar, forward_rows_finish_scalar;
backward_begin_kernel backward_begin_scalar;
backward_scores_kernel backward_scores_scalar;
backward_products_kernel backward_products_scalar;
rows_finite_kernel rows_finite_scalar;
decode_chunk_kernel decode_chunk_scalar;

static void fill_scalar(kernel_table *table)
{
    table->level = CPU_SCALAR;
    table->lanes = 1;
    table->peak = peak_scalar;
    table->tanh_peak = tanh_peak_scalar;
    table->read = read_scalar;
    table->dropout_factors = dropout_factors_scalar;
    table->modification = modification_scalar;
    table->forward_lanes =
        (forward_kernels){forward_lanes_begin_scalar, forward_lanes_step_scalar, forward_lanes_finish_scalar};
    table->forward_rows =
        (forward_kernels){forward_rows_begin_scalar, forward_rows_step_scalar, forward_rows_finish_scalar};
    table->backward =
        (backward_kernels){backward_begin_scalar, backward_scores_scalar, backward_products_scalar, rows_finite_scalar};
    table->decode_chunk = decode_chunk_scalar;
}

#if defined(__x86_64__)
peak_kernel peak_avx2, peak_avx512, tanh_peak_avx2, tanh_peak_avx512;
read_kernel read_avx2, read_avx512;
dropout_factors_kernel dropout_factors_avx2, dropout_factors_avx512;
modification_kernel modification_avx2, modification_avx512;
forward_begin_kernel forward_lanes_begin_avx2, forward_lanes_begin_avx512;
backward_begin_kernel backward_begin_avx2, backward_begin_avx512;
backward_scores_kernel backward_scores_avx2, backward_scores_avx512;
backward_products_kernel backward_products_avx2, backward_products_avx512;
rows_finite_kernel rows_finite_avx2, rows_finite_avx512;
decode_chunk_kernel decode_chunk_avx2, decode_chunk_avx512;
forward_begin_kernel forward_rows_begin_avx2, forward_rows_begin_avx512;
forward_step_kernel forward_lanes_step_avx2, forward_lanes_step_avx512;
forward_step_kernel forward_rows_step_avx2, forward_rows_step_avx512;
forward_finish_kernel forward_lanes_finish_avx2, forward_lanes_finish_avx512;
forward_finish_kernel forward_rows_finish_avx2, forward_rows_finish_avx512;

static void fill_avx2(kernel_table *table)
{
    table->level = CPU_AVX2;
    table->lanes = 8;
    table->peak = peak_avx2;
    table->tanh_peak = tanh_peak_avx2;
    table->read = read_avx2;
    table->dropout_factors = dropout_factors_avx2;
    table->modification = modification_avx2;
    table->forward_lanes =
        (forward_kernels){forward_lanes_begin_avx2, forward_lanes_step_avx2, forward_lanes_finish_avx2};
    table->forward_rows = (forward_kernels){forward_rows_begin_avx2, forward_rows_step_avx2, forward_rows_finish_avx2};
    table->backward =
        (backward_kernels){backward_begin_avx2, backward_scores_avx2, backward_products_avx2, rows_finite_avx2};
    table->decode_chunk = decode_chunk_avx2;
}

static void fill_avx512(kernel_table *table)
{
    table->level = CPU_AVX512;
    table->lanes = 16;
    table->peak = peak_avx512;
    table->tanh_peak = tanh_peak_avx512;
    table->read = read_avx512;
    table->dropout_factors = dropout_factors_avx512;
    table->modification = modification_avx512;
    table->forward_lanes =
        (forward_kernels){forward_lanes_begin_avx512, forward_lanes_step_avx512, forward_lanes_finish_avx512};
    table->forward_rows =
        (forward_kernels){forward_rows_begin_avx512, forward_rows_step_avx512, forward_rows_finish_avx512};
    table->backward =
        (backward_kernels){backward_begin_avx512, backward_scores_avx512, backward_products_avx512, rows_finite_avx512};
    table->decode_chunk = decode_chunk_avx512;
}

void kernels_fill(kernel_table *table, cpu_level level)
{
    fill_scalar(table);
    if (level < CPU_AVX2) return;
    fill_avx2(table);
    if (level < CPU_AVX512) return;
    fill_avx512(table);
}
#else
void kernels_fill(kernel_table *table, cpu_level level)
{
    (void)level;
    fill_scalar(table);
}
#endif

static kernel_table machine_table;

static void fill_machine_table(void)
{
    kernels_fill(&machine_table, cpu_detect()->used);
}

const kernel_table *kernels_table(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_machine_table);
    return &machine_table;
}
