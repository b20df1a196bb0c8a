/* The hidden layer of recurrence: Elman's network (tanh), LSTM and GRU over (B*T, d) rows, stacked, in one direction or
 * both, each sequence for its own length. Equal to PyTorch's nn.RNN, nn.LSTM and nn.GRU on packed sequences. */
#ifndef HIDDEN_RECURRENT_H
#define HIDDEN_RECURRENT_H

#include "tensor/operations.h"

typedef enum recurrent_cell { RECURRENT_RNN, RECURRENT_LSTM, RECURRENT_GRU } recurrent_cell;

/* The gates of a cell, whose weights lie one below the other: 1, 4 (i f g o), 3 (r z n). */
int64_t recurrent_gates(recurrent_cell cell);

/* One layer in one direction: W (gates*H, I), U (gates*H, H), a bias (gates*H) for each. */
typedef struct recurrent_parameters {
    tensor *input_weight, *recurrent_weight, *input_bias, *recurrent_bias;
} recurrent_parameters;

/* What a layer carries from step to step: h (B, H), and an LSTM's c (B, H), else NULL. */
typedef struct recurrent_state {
    tensor *h, *c;
} recurrent_state;

/* The product of all steps' inputs at once, then one product a step. x (B*T, I) -> (B*T, H), zeros where a sequence has
 * ended. lengths of B, each at most T; NULL: all T. backward: from each sequence's last row to its first. initial:
 * NULL for zeros. last: where each sequence's own last state goes, NULL: nowhere. */
tensor *recurrent_layer(tape *t, recurrent_cell cell, const recurrent_parameters *p, tensor *x, int64_t batch,
                        const int64_t *lengths, bool backward, const recurrent_state *initial, recurrent_state *last);

typedef struct recurrent_options {
    recurrent_cell cell;
    int64_t layers;
    bool bidirectional; /* every layer in both directions, side by side: 2*H columns */
    float dropout;      /* between layers */
} recurrent_options;

/* Layer upon layer. parameters, initial and last: one for each layer and direction, the forward one first. */
tensor *recurrent_stack(tape *t, const recurrent_options *o, const recurrent_parameters *parameters, tensor *x,
                        int64_t batch, const int64_t *lengths, const recurrent_state *initial, recurrent_state *last);

#endif
