/* The weights that training starts from. */
#ifndef MODEL_INITIAL_WEIGHTS_H
#define MODEL_INITIAL_WEIGHTS_H

#include "model/translator.h"

/* Norms' gains 1, every bias 0, embeddings and the output projection normal with deviation d^-1/2, all other matrices
 * uniform in +-sqrt(6 / (rows + columns)) (Glorot and Bengio 2010, equation 16). A weight depends on seed, its
 * parameter's index and its own place alone. */
void initial_weights_fill(translator *m, uint64_t seed);

#endif
