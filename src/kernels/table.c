#include "kernels/kernels.h"

#include <pthread.h>

kernel_set kernel_set_scalar;
#if defined(__x86_64__)
kernel_set kernel_set_avx2, kernel_set_avx512, pairs_set_avx512bf16, tiles_set_amx;
#elif defined(__aarch64__)
kernel_set kernel_set_neon;
#endif

void kernels_fill(kernel_table *table, cpu_level level)
{
    *table = (kernel_table){.level = CPU_SCALAR};
    kernel_set_scalar(table);
    if (level == CPU_SCALAR) return;
#if defined(__x86_64__)
    table->level = CPU_AVX2;
    kernel_set_avx2(table);
    if (level == CPU_AVX2) return;
    table->level = CPU_AVX512;
    kernel_set_avx512(table);
    if (level == CPU_AVX512) return;
    table->level = CPU_AVX512BF16;
    pairs_set_avx512bf16(table);
    if (level == CPU_AVX512BF16) return;
    table->level = CPU_AMX;
    tiles_set_amx(table);
#elif defined(__aarch64__)
    table->level = CPU_NEON;
    kernel_set_neon(table);
#endif
}

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
