#include "output/logit_row.h"

#include "attn/attn.h"

#include <string.h>

const logit_row_functions *logit_row(void)
{
#ifdef __x86_64__
    if (!strncmp(attn_cpu_used(), "avx512", 6)) return &logit_row_avx512; /* avx512bf16 too */
    if (!strcmp(attn_cpu_used(), "avx2")) return &logit_row_avx2;
#endif
    return &logit_row_scalar;
}
