/* A model's parameters: named tensors over one run of values and one run of gradients, so that the optimizer, the
 * gradient norm and a checkpoint each see a single flat array.
 *
 *     values  [ embedding........ | encoder.0.q.weight... | ... ]
 *     grads   [ ................. | ..................... | ... ]   (training only)
 */
#ifndef TENSOR_PARAMETERS_H
#define TENSOR_PARAMETERS_H

#include "attn/attn.h"
#include "tensor/tensor.h"

typedef struct parameter {
    char *name;
    tensor tensor;
    bool placed; /* its values lie elsewhere: see parameters_place */
} parameter;

typedef struct parameters {
    int64_t count, capacity;
    parameter *items;
    int64_t total; /* floats in values and in grads */
    float *values; /* NULL until parameters_allocate */
    float *grads;  /* NULL unless trainable */
} parameters;

/* Declares a parameter; its memory comes with parameters_allocate. Returns its index, -1 when memory is short. */
int64_t parameters_declare(parameters *p, const char *name, int rank, const int64_t *shape);

/* Before parameters_allocate, of a model that is not trained: the values lie elsewhere already, and stay there
 * unchanged as long as the parameters live. They take no part in p->values. */
void parameters_place(parameters *p, int64_t index, const float *values);

/* One zeroed allocation for all values, another for all gradients if `trainable`; afterwards every item's tensor points
 * into them. Call once, after the last declaration. */
attn_status parameters_allocate(parameters *p, bool trainable);

/* NULL when there is none of that name. */
tensor *parameters_find(parameters *p, const char *name);

/* Begins a new sum of gradients, without a pass over them: each parameter's first contribution overwrites what is
 * there. parameters_end_gradients zeroes those that got none; between the two, grads as a whole means nothing. */
void parameters_begin_gradients(parameters *p);
void parameters_end_gradients(parameters *p);

/* Packs weights (O, I), which change no more from now on, for the linear layers that read them. Costs their size again.
 */
attn_status parameters_pack(tensor *weights);

/* Frees everything and zeroes *p. */
void parameters_destroy(parameters *p);

#endif
