#include "model/activation_names.h"

#include <stddef.h>

/* The first of a kind is the one that is written. */
static const char *const names[] = {"relu", "gelu", "swish", "silu", "tanh", NULL};
static const activation activations[] = {ACTIVATION_RELU, ACTIVATION_GELU, ACTIVATION_SWISH, ACTIVATION_SWISH,
                                         ACTIVATION_TANH};

activation activation_read(config *f, const char *field, activation fallback)
{
    int chosen = config_choice_or(f, field, names, -1);
    return chosen < 0 ? fallback : activations[chosen];
}

const char *activation_name(activation a)
{
    for (int i = 0; names[i]; i++) {
        if (activations[i] == a) return names[i];
    }
    return "";
}
