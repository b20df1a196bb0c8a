/* The factors of a product in bf16. */
#ifndef TENSOR_FACTORS_H
#define TENSOR_FACTORS_H

#include "tensor/thread_scratch.h"

#include <stdint.h>

/* `count` elements narrowed to bf16. */
void narrow_values(int threads, int64_t count, const float *from, uint16_t *to);

/* The same in scratch; NULL when the system gives no memory. */
const uint16_t *factor_narrow(scratch_use which, int threads, int64_t count, const float *from);

#endif
