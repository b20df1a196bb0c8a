#include "output/logit_row.h"

#include "tensor/used_instructions.h"

const logit_row_functions *logit_row(void)
{
#ifdef __x86_64__
    if (uses_avx512()) return &logit_row_avx512;
    if (uses_avx2()) return &logit_row_avx2;
#endif
    return &logit_row_scalar;
}
