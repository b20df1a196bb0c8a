/* The hidden layer of attention: one Transformer, configured. Encoder and decoder stacks over (B*T, d) rows.
 * Vaswani et al., "Attention Is All You Need" (2017), sections 3.1 to 3.3. */
#ifndef HIDDEN_TRANSFORMER_H
#define HIDDEN_TRANSFORMER_H

#include "tensor/operations.h"
#include "tensor/parameters.h"

typedef struct attention_weights_sink attention_weights_sink;

/* The four projections of one attention: W (d, d), b (d); k's and v's are (HK*D, d), (HK*D). Where the norms are not
 * NULL, (D), each head's queries and keys are normalized before they meet (Dehghani et al. 2023, section 2). */
typedef struct attention_parameters {
    tensor *q_weight, *q_bias, *k_weight, *k_bias, *v_weight, *v_bias, *o_weight, *o_bias;
    tensor *q_norm_gamma, *q_norm_beta, *k_norm_gamma, *k_norm_beta;
} attention_parameters;

typedef struct transformer_layer {
    attention_parameters self, cross; /* cross: decoder only, else all NULL */
    tensor *self_norm_gamma, *self_norm_beta;
    tensor *cross_norm_gamma, *cross_norm_beta;
    tensor *fc1_weight, *fc1_bias, *fc2_weight, *fc2_bias;
    tensor *final_norm_gamma, *final_norm_beta;
} transformer_layer;

typedef struct transformer_options {
    int64_t heads, key_value_heads; /* HK divides H; 0: as many as heads */
    float softcap;                  /* of attention's scores; 0: none */
    activation activation;
    bool pre_norm; /* false: post-norm, as in the paper and in Marian */
    float norm_epsilon;
    float dropout, attention_dropout, activation_dropout;
} transformer_options;

/* Where attention weights go when someone wants to look: one (B, H, T, S) array per layer, each NULL or filled. */
struct attention_weights_sink {
    float **self, **cross;
};

/* Where norms come first, the norm that follows the last layer is the caller's. */

/* x (B*T, d), lengths of B (padding masked) -> (B*T, d). sink may be NULL. */
tensor *transformer_encode(tape *t, const transformer_options *o, const transformer_layer *layers, int64_t layer_count,
                           tensor *x, int64_t batch, const int64_t *lengths, const attention_weights_sink *sink);

/* The same, but only the first `first` rows of every sequence are wanted, as where a class token is: (B*first, d). The
 * last layer computes no others, unless the sink asks for its weights. */
tensor *transformer_encode_first(tape *t, const transformer_options *o, const transformer_layer *layers,
                                 int64_t layer_count, tensor *x, int64_t batch, const int64_t *lengths, int64_t first,
                                 const attention_weights_sink *sink);

/* x (B*T, d) causal, memory (B*S, d) with memory_lengths of B -> (B*T, d). */
tensor *transformer_decode(tape *t, const transformer_options *o, const transformer_layer *layers, int64_t layer_count,
                           tensor *x, tensor *memory, int64_t batch, const int64_t *memory_lengths,
                           const attention_weights_sink *sink);

/* Keys and values of one decoding: self-attention's grow by one position a step, cross-attention's are projected once,
 * and the rows of a sequence (its beam) share them. */
typedef struct transformer_cache transformer_cache;

/* Projects memory (batch*S, d) through every layer's cross keys and values. Begins with batch * rows_per_sequence
 * decoder rows, row r belonging to sequence r / rows_per_sequence, which is also the most it can hold; max_positions
 * bounds the steps. memory_lengths is copied. The cache lies on t, and grows there with the positions in use, until t
 * begins anew: the steps run on another tape. */
attn_status transformer_cache_create(transformer_cache **out, tape *t, const transformer_options *o,
                                     const transformer_layer *layers, int64_t layer_count, tensor *memory,
                                     int64_t batch, const int64_t *memory_lengths, int64_t rows_per_sequence,
                                     int64_t max_positions);

/* x (rows, d): the embedded next token of every decoder row -> (rows, d); appends to the cache. For tapes that infer.
 * sink's arrays are (rows, H, 1, position + 1) and (rows, H, 1, S) here. */
tensor *transformer_step(tape *t, const transformer_options *o, const transformer_layer *layers, int64_t layer_count,
                         tensor *x, transformer_cache *cache, const attention_weights_sink *sink);

/* Row r continues what row from[r] was, for r in 0 .. rows - 1 (before the first step there is nothing to continue and
 * `from` is not looked at). Rows may shrink, sequences whose beams are all done are dropped for good, and grow.
 * sequence_of[r]: which of the batch's sequences row r belongs to. */
attn_status transformer_cache_reorder(transformer_cache *cache, int threads, const int64_t *from,
                                      const int64_t *sequence_of, int64_t rows);

#endif
