/* The factors of a product in bf16. */
#ifndef TENSOR_FACTORS_H
#define TENSOR_FACTORS_H

#include "tensor/thread_scratch.h"

#include <stdbool.h>
#include <stdint.h>

/* A factor, (rows, columns) as stored, and whether its copy is to be the transpose. */
typedef struct factor_copy {
    bool transpose;
    int64_t rows, columns;
    const float *from;
    void *to;
} factor_copy;

/* The factor narrowed to bf16, in scratch; NULL when the system gives no memory. */
const void *factor_narrow(scratch_use which, int threads, factor_copy f);

#endif
