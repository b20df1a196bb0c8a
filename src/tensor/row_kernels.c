#include "tensor/row_kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

extern const row_kernels row_kernels_base;
#if defined(__x86_64__)
extern const row_kernels row_kernels_avx2, row_kernels_avx512;
#endif

static const row_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    chosen = &row_kernels_base;
#if defined(__x86_64__)
    /* The compiler's test asks CPUID and the operating system both. */
    const char *cap = getenv("ATTN_CPU");
    if (cap && strcmp(cap, "scalar") == 0) return;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
    chosen = &row_kernels_avx2;
    if (cap && strcmp(cap, "avx2") == 0) return;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        chosen = &row_kernels_avx512;
#endif
}

const row_kernels *row_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
