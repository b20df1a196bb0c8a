#include "hidden/recurrent.h"

tensor *recurrent_stack(tape *t, const recurrent_options *o, const recurrent_parameters *parameters, tensor *x,
                        int64_t batch, const int64_t *lengths, const recurrent_state *initial, recurrent_state *last)
{
    const int directions = o->bidirectional ? 2 : 1;
    for (int64_t l = 0; l < o->layers; l++) {
        tensor *sides[2];
        if (l > 0) x = tape_dropout(t, x, o->dropout);
        for (int d = 0; d < directions; d++) {
            const int64_t i = l * directions + d;
            sides[d] = recurrent_layer(t, o->cell, &parameters[i], x, batch, lengths, d == 1,
                                       initial ? &initial[i] : NULL, last ? &last[i] : NULL);
        }
        x = directions == 1 ? sides[0] : tape_concatenate(t, sides, 2);
    }
    return x;
}
