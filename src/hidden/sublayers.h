/* What a Transformer layer is made of: attention, feed-forward, and the residual connection with its norm around each.
 */
#ifndef HIDDEN_SUBLAYERS_H
#define HIDDEN_SUBLAYERS_H

#include "hidden/transformer.h"

/* Multi-head attention: softmax((x Wq)(memory Wk)^T / sqrt(D)) (memory Wv) Wo, biases left out here. x (B*T, d), memory
 * (B*S, d) -> (B*T, d). Vaswani et al. (2017), section 3.2.2. */
tensor *multi_head_attention(tape *t, const transformer_options *o, const attention_parameters *p, tensor *x,
                             tensor *memory, int64_t batch, attention_mask mask, float *weights);

/* The queries' or keys' projection of x, normalized head by head where the attention has norms. */
tensor *attention_queries(tape *t, const transformer_options *o, const attention_parameters *p, tensor *x);
tensor *attention_keys(tape *t, const transformer_options *o, const attention_parameters *p, tensor *x);

/* The heads of keys and values. */
int64_t key_value_heads(const transformer_options *o);

/* act(x W1 + b1) W2 + b2: x (R, d) -> (R, d). Vaswani et al. (2017), equation 2. */
tensor *feed_forward(tape *t, const transformer_options *o, const transformer_layer *layer, tensor *x);

/* What a sublayer reads: its norm of x where norms come first, x itself where they come after. */
tensor *sublayer_input(tape *t, const transformer_options *o, tensor *x, tensor *gamma, tensor *beta);

/* x and the sublayer's result y joined: LayerNorm(x + Dropout(y)), or x + Dropout(y) where norms come first. */
tensor *sublayer_output(tape *t, const transformer_options *o, tensor *x, tensor *y, tensor *gamma, tensor *beta);

#endif
