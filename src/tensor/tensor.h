/* A tensor: fp32 values in row-major order, and beside them, where it is differentiated, its gradient. A narrow one has
 * its values and its gradient in bf16 alone, value and grad being NULL: what flows from one product to the next when
 * training in bf16. Only the operations that say so take one, and only one operation may, since nothing can be added to
 * its gradient. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#define TENSOR_MAX_RANK 4

typedef struct tensor {
    int rank;
    int64_t shape[TENSOR_MAX_RANK];
    float *value;
    float *grad;      /* same shape as value; NULL: a constant, or nothing has been added to it yet (traced) */
    float *grad_sums; /* the sums of grad's columns, where who brought all of it knows them; NULL: to be summed */
    bool traced;      /* a result on a training tape: its gradient's memory comes with the first contribution to it */
    bool stale;       /* grad is a parameter's, of the step before: the first contribution to it overwrites it */
    uint16_t *narrow; /* value in bf16, of a narrow tensor or where a product has asked for it; else NULL */
    uint16_t *narrow_grad;       /* a narrow tensor's, NULL until its user brings it */
    struct dense_packed *packed; /* weights that no longer change, once more in dense.h's form; NULL: not packed */
} tensor;

/* Whether the backward pass has to bring a gradient here. */
static inline bool tensor_differentiated(const tensor *t)
{
    return t->grad || t->traced;
}

/* Whether its values are in bf16 alone. */
static inline bool tensor_is_narrow(const tensor *t)
{
    return t->narrow && !t->value;
}

/* The product of the dimensions. */
static inline int64_t tensor_count(const tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->shape[i];
    return n;
}

/* All dimensions but the last, multiplied: a tensor seen as rows. */
static inline int64_t tensor_rows(const tensor *t)
{
    return t->rank ? tensor_count(t) / (t->shape[t->rank - 1] ? t->shape[t->rank - 1] : 1) : 1;
}

#endif
