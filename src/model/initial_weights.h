/* The weights that training starts from. */
#ifndef MODEL_INITIAL_WEIGHTS_H
#define MODEL_INITIAL_WEIGHTS_H

#include "tensor/parameters.h"

typedef struct initial_weight {
    enum {
        INITIAL_ZERO,
        INITIAL_ONE,
        INITIAL_IDENTITY, /* of a square matrix */
        INITIAL_NORMAL,   /* with `deviation` */
        INITIAL_GLOROT /* uniform in +-sqrt(6 / (rows + columns)): Glorot and Bengio 2010, equation 16; the columns are
                          all dimensions but the first */
    } kind;
    double deviation;
} initial_weight;

/* Fills every parameter as its model says. A weight depends on seed, its parameter's index and its own place alone. */
void initial_weights_fill(parameters *p, uint64_t seed, initial_weight (*of)(const void *model, const parameter *p),
                          const void *model);

/* For those who tell weights by their names. */
bool initial_ends_with(const char *name, const char *end);

#endif
