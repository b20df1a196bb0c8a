#include "output/logit_row.h"

#include "attn/attn.h"

#include <string.h>

const logit_row_functions *logit_row(void)
{
#ifdef __x86_64__
    if (!strcmp(attn_cpu_used(), "avx512")) return &logit_row_avx512;
    if (!strcmp(attn_cpu_used(), "avx2")) return &logit_row_avx2;
#endif
    return &logit_row_scalar;
}
