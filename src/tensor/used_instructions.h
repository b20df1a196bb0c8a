/* Which of libattn's levels the layers run on too: it asks the CPU, the system and ATTN_CPU. */
#ifndef TENSOR_USED_INSTRUCTIONS_H
#define TENSOR_USED_INSTRUCTIONS_H

#include "attn/attn.h"

#include <stdbool.h>
#include <string.h>

static inline bool uses_avx2(void)
{
    return strcmp(attn_cpu_used(), "avx2") == 0;
}

/* Products of bf16, which the levels above AVX-512 have. */
static inline bool uses_bf16_products(void)
{
    return strcmp(attn_cpu_used(), "avx512bf16") == 0 || strcmp(attn_cpu_used(), "amx") == 0;
}

static inline bool uses_avx512(void)
{
    return strcmp(attn_cpu_used(), "avx512") == 0 || uses_bf16_products();
}

#endif
