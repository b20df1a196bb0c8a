#include "hidden/gate_kernels.h"

#include "attn/attn.h"

#include <pthread.h>
#include <string.h>

extern const gate_kernels gate_kernels_base;
#if defined(__x86_64__)
extern const gate_kernels gate_kernels_avx2, gate_kernels_avx512;
#endif

static const gate_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    chosen = &gate_kernels_base;
#if defined(__x86_64__)
    if (strcmp(attn_cpu_used(), "avx2") == 0) chosen = &gate_kernels_avx2;
    if (strncmp(attn_cpu_used(), "avx512", 6) == 0) chosen = &gate_kernels_avx512; /* avx512bf16 too */
#endif
}

const gate_kernels *gate_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
