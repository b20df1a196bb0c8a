/* The differentiable operations, as many as the models need. R stands for rows: all leading dimensions multiplied.
 * Integer and mask arguments are read until tape_backward has run: the caller keeps them alive. */
#ifndef TENSOR_OPERATIONS_H
#define TENSOR_OPERATIONS_H

#include "attn/attn.h"
#include "tensor/tape.h"

typedef enum activation {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_GELU,  /* x * Phi(x) by erf (Hendrycks and Gimpel 2016) */
    ACTIVATION_SWISH, /* x * sigmoid(x) (Ramachandran et al. 2017) */
    ACTIVATION_TANH
} activation;

/* y[r] = scale * table[ids[r]]: table (V, D), ids of `rows` -> (rows, D). */
tensor *tape_embed(tape *t, tensor *table, const int32_t *ids, int64_t rows, float scale);

/* y = x + c with a constant c of x's shape that is not differentiated: positions (T, D) added to (B*T, D), row r taking
 * c's row (r % period). */
tensor *tape_add_rows(tape *t, tensor *x, const float *rows, int64_t period);

/* y = act(x w^T + b): x (..., I), narrow where act is ACTIVATION_NONE, w (O, I), b (O) or NULL -> (..., O). A w of more
 * dimensions counts all but the first as I. */
tensor *tape_linear(tape *t, tensor *x, tensor *w, tensor *b, activation act);

/* When training in bf16, and nothing else (tape_narrows): the layers of several weights on one x, rounded once for all,
 * their results side by side: x (..., I), narrow or not, w (O_i, I), b (O_i) or NULL -> (..., sum of O_i). narrow: a
 * narrow tensor, which an activation asks for. */
#define LINEAR_PARTS 3
typedef struct linear_part {
    tensor *w, *b;
} linear_part;
tensor *tape_narrow_linear(tape *t, tensor *x, const linear_part *parts, int count, activation act, bool narrow);

/* y = LayerNorm(x + residual): over the last dimension, or over each D of it in turn where gamma and beta (D) are
 * shorter, as heads are that lie side by side; residual may be NULL.
 * Ba et al., "Layer Normalization" (2016), equation 4. */
tensor *tape_layer_norm(tape *t, tensor *x, tensor *residual, tensor *gamma, tensor *beta, float epsilon);

/* y = the columns of x beside those of the others: parts (R, D_i) of `count` -> (R, sum of D_i). */
tensor *tape_concatenate(tape *t, tensor *const *parts, int count);

/* Each of `batch` sequences of x (B*P, D) behind `count` learned rows (D), the same for all, and positions (N, D)
 * added, N = count + P, of any leading dimensions -> (B*N, D). `first` is kept until tape_backward has run. */
#define PREPEND_MOST 2
tensor *tape_prepend(tape *t, tensor *const *first, int count, tensor *x, int64_t batch, tensor *positions);

/* z = x + y, of one shape. */
tensor *tape_add(tape *t, tensor *x, tensor *y);

/* y[i] = x[rows[i]]: x (R, D), rows of `count`, no row twice -> (count, D). Leaves padding out of what follows. */
tensor *tape_take_rows(tape *t, tensor *x, const int64_t *rows, int64_t count);

/* Inverted dropout: y = x * keep / (1 - p); the identity when p is 0 or the tape infers. */
tensor *tape_dropout(tape *t, tensor *x, float p);

/* Which keys a query may see. */
typedef struct attention_mask {
    const int64_t *key_lengths; /* B lengths, NULL: all S keys */
    bool causal;
    int64_t query_offset; /* position of query 0 among the keys */
} attention_mask;

/* O = softmax(Q K^T / sqrt(D)) V through libattn: q (B*T, H*D), k (B*S, HK*D), v (B*S, HK*DV) -> (B*T, H*DV). HK,
 * which follows from k's width, divides H: each of its heads serves H / HK of the queries' (Ainslie et al. 2023).
 * weights: where to put the (B, H, T, S) attention weights, NULL for none. */
tensor *tape_attention(tape *t, tensor *q, tensor *k, tensor *v, int64_t batch, int64_t heads, attention_mask mask,
                       float dropout, float *weights);

/* The same with scores capped to softcap * tanh(score / softcap), 0: not capped (Gemma 2, 2024, section 2). */
tensor *tape_capped_attention(tape *t, tensor *q, tensor *k, tensor *v, int64_t batch, int64_t heads, float softcap,
                              attention_mask mask, float dropout, float *weights);

/* The same, in bf16, of narrow tensors: q (B*T, H*D) and kv (B*S, 2*HK*D), keys and values side by side, or all three
 * in q (B*T, (H + 2*HK)*D), kv NULL -> a narrow (B*T, H*D). */
tensor *tape_narrow_attention(tape *t, tensor *q, tensor *kv, int64_t batch, int64_t heads, int64_t key_value_heads,
                              float softcap, attention_mask mask, float dropout);

/* O = softmax(Q K^T) V, the same otherwise: the scores "dot" and, on keys W k, "general" of Luong et al. (2015). */
tensor *tape_unscaled_attention(tape *t, tensor *q, tensor *k, tensor *v, int64_t batch, int64_t heads,
                                attention_mask mask, float dropout, float *weights);

/* O = softmax(S) V with S_ij = sum over d of w_d tanh(q_id + k_jd), likewise; w (H*D), or of rank 2 (H, D). The queries
 * and keys are projected already, so that the keys' projection is done once for all queries (Bahdanau et al. 2015,
 * appendix A.1.2). On a query times the left half of W and keys times its right half it is "concat",
 * w^T tanh(W [q; k]). */
tensor *tape_additive_attention(tape *t, tensor *q, tensor *k, tensor *v, tensor *w, int64_t batch, int64_t heads,
                                attention_mask mask, float dropout, float *weights);

/* Mean over the rows with targets[r] >= 0 of the label-smoothed cross-entropy, in nats (Szegedy et al. 2016, section
 * 7): (1 - e) * -log p[target] + e * mean_v(-log p[v]) logits (R, V), targets of R (negative: row ignored) -> scalar
 * (rank 0). The plain sum of -log p[target] over those rows goes to *nll if not NULL, as does their count to *counted.
 * On a training tape logits that are a result are used up: their gradient takes their values' place, so that the (R, V)
 * array, the largest of all, exists once. */
tensor *tape_cross_entropy(tape *t, tensor *logits, const int32_t *targets, float smoothing, double *nll,
                           int64_t *counted);

#endif
