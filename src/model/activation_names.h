/* Hugging Face's names for activations. */
#ifndef MODEL_ACTIVATION_NAMES_H
#define MODEL_ACTIVATION_NAMES_H

#include "formats/config.h"
#include "tensor/operations.h"

/* The activation that the field names; `fallback` where it is absent. */
activation activation_read(config *f, const char *field, activation fallback);

/* "relu", "gelu", "swish" or "tanh". */
const char *activation_name(activation a);

#endif
