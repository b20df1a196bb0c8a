/* The factors of a product, copied into the form that it is fast in. */
#ifndef TENSOR_FACTORS_H
#define TENSOR_FACTORS_H

#include "tensor/dense.h"
#include "tensor/thread_scratch.h"

/* A copy of a factor, (rows, columns) as stored: narrowed, transposed, or both. */
typedef struct factor_copy {
    dense_type type;
    bool transpose;
    int64_t rows, columns;
    const float *from;
    void *to;
} factor_copy;

/* The factor as the product wants it: itself, or a copy in scratch; NULL when the system gives no memory. */
const void *factor_prepare(scratch_use which, int threads, factor_copy f);

#endif
