#include "tensor/row_kernels.h"

#include "tensor/used_instructions.h"

#include <pthread.h>

extern const row_kernels row_kernels_base;
#if defined(__x86_64__)
extern const row_kernels row_kernels_avx2, row_kernels_avx512;
#endif

static const row_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* libattn asks the CPU and the environment; the layers run on the same instruction set. */
static void choose(void)
{
    chosen = &row_kernels_base;
#if defined(__x86_64__)
    if (uses_avx2()) chosen = &row_kernels_avx2;
    if (uses_avx512()) chosen = &row_kernels_avx512;
#endif
}

const row_kernels *row_kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
