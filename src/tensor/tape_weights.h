/* Weights that several products of one step share, packed for the rest of the step: recurrent layers that run step by
 * step multiply a few rows by the same weights many times. For the tape, which gives them as tape_packed. */
#ifndef TENSOR_TAPE_WEIGHTS_H
#define TENSOR_TAPE_WEIGHTS_H

#include "base/arena.h"
#include "tensor/dense.h"
#include "tensor/tensor.h"

/* The entries lie in the step's arena, what they packed does not. */
typedef struct step_weights_list {
    struct step_weights *first;
} step_weights_list;

/* *out: w (O, I), or its transpose if transposed, packed as a second factor; NULL the first time in a step, since it
 * may be the only one. The status is dense_pack's. */
attn_status step_weights_pack(step_weights_list *list, arena *memory, dense_type type, int threads, const tensor *w,
                              bool transposed, const dense_packed **out);

/* Before the arena is reset or destroyed. */
void step_weights_forget(step_weights_list *list);

#endif
