#include "hidden/gate_kernels.h"

#include "tensor/used_instructions.h"

#include <pthread.h>

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
    if (uses_avx2()) chosen = &gate_kernels_avx2;
    if (uses_avx512()) chosen = &gate_kernels_avx512;
#endif
}

const gate_kernels *gate_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
