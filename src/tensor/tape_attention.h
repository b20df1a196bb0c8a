/* Attention over arrays that need not be tensors, a cache's for instance, through libattn. */
#ifndef TENSOR_TAPE_ATTENTION_H
#define TENSOR_TAPE_ATTENTION_H

#include "attn/attn.h"
#include "tensor/operations.h"

/* Sequences of `rows` rows, each of H heads side by side, one after the other: seen as (B, H, rows, D). */
attn_view attend_view(const float *data, int64_t rows, int64_t heads, int64_t D);
attn_output attend_output(float *data, int64_t rows, int64_t heads, int64_t D);

/* Runs desc forward with this mask and, when training, dropout and the log-sum-exp, which the backward pass reads. */
void attend_on_tape(tape *t, attn_desc *desc, attention_mask mask, float dropout, const attn_output *weights);

/* Runs desc backward, likewise with the tape's memory. */
void attend_backward(tape *t, const attn_desc *desc);

/* Runs desc forward with a workspace from the tape's memory, and gives the weights, laid out as told, if asked. */
void attend(tape *t, const attn_desc *desc, const attn_output *weights);

#endif
