/* The arithmetic of recurrent cells between their products, a row of H units at a time: one body (gate_kernels_body.h)
 * built once per instruction set. Gates lie one after the other, each H long, in PyTorch's order: LSTM i f g o, GRU
 * r z n. `gates` comes in as W x + b and leaves as the gates' values; `recurrent` is U h + b of the same layout. Runs
 * may be of any length and alignment and must not overlap. */
#ifndef HIDDEN_GATE_KERNELS_H
#define HIDDEN_GATE_KERNELS_H

#include <stdint.h>

typedef struct gate_kernels {
    const char *name;

    /* h = tanh(gates + recurrent) (Elman 1990) */
    void (*rnn)(int64_t H, const float *recurrent, float *gates, float *h);
    /* d_gates of d_h, which leaves as zero: nothing passes the cell by. */
    void (*rnn_back)(int64_t H, const float *gates, float *d_h, float *d_gates);

    /* i, f, o = sigmoid, g = tanh; c = f * c_before + i * g; h = o * tanh(c) (Hochreiter and Schmidhuber 1997, with
     * Gers et al. 2000's forget gate) */
    void (*lstm)(int64_t H, const float *recurrent, const float *c_before, float *gates, float *c, float *h);
    /* d_c comes in as c's gradient from the next step and leaves as c_before's; d_h leaves as zero. */
    void (*lstm_back)(int64_t H, const float *gates, const float *c_before, const float *c, float *d_h, float *d_c,
                      float *d_gates);

    /* r, z = sigmoid; n = tanh(gates_n + r * recurrent_n); h = (1 - z) * n + z * h_before (Cho et al. 2014, with the
     * reset gate after the product as in cuDNN and PyTorch). recurrent_n is kept for backward. */
    void (*gru)(int64_t H, const float *recurrent, const float *h_before, float *gates, float *recurrent_n, float *h);
    /* d_h leaves as the part of h_before's gradient that does not go through the product. */
    void (*gru_back)(int64_t H, const float *gates, const float *recurrent_n, const float *h_before, float *d_h,
                     float *d_gates, float *d_recurrent);
} gate_kernels;

const gate_kernels *gate_kernels_get(void);

#endif
