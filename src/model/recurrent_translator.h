/* A recurrent sequence-to-sequence model, whole: an encoder that reads the source in both directions, a decoder that
 * begins in the encoder's last state, and attention between them or none; and the directory it is kept in
 * (model_type "attn-rnn").
 *
 *     h_s                 encoder, stacked, (B*S, H)
 *     d_t                 decoder, stacked, (B*T, H)
 *     c_t                 sum over s of softmax_s(score(d_t, h_s)) h_s
 *     a_t = tanh(W [c_t; d_t] + b)       without attention tanh(W d_t + b)
 *     logits = E a_t + b                 E: the embedding, which source and target share
 *
 * Bahdanau et al. 2015 score by the decoder's state before the step, and c_t enters the step beside the embedding.
 * Luong et al. 2015 score by the state after it; with input feeding a_t enters the next step beside the embedding. */
#ifndef MODEL_RECURRENT_TRANSLATOR_H
#define MODEL_RECURRENT_TRANSLATOR_H

#include "formats/safetensors.h"
#include "hidden/recurrent.h"
#include "model/weight_format.h"
#include "model/weights_file.h"
#include "tensor/parameters.h"

typedef enum recurrent_attention {
    RECURRENT_UNATTENDED,
    RECURRENT_ADDITIVE, /* v^T tanh(W_q d + W_k h), Bahdanau's */
    RECURRENT_DOT,      /* d^T h */
    RECURRENT_GENERAL,  /* d^T W_k h */
    RECURRENT_CONCAT    /* v^T tanh(W_q d + W_k h), Luong's */
} recurrent_attention;

typedef struct recurrent_config {
    recurrent_cell cell;
    recurrent_attention attention;
    bool input_feeding; /* of dot, general and concat */
    bool bidirectional; /* each direction of the encoder has half of hidden_size */
    int64_t vocab_size;
    int64_t embedding_size, hidden_size;
    int64_t encoder_layers, decoder_layers;
    int64_t max_length; /* pieces that a source or a target may have */
    float dropout;
    int32_t pad_id, eos_id, decoder_start_id;
} recurrent_config;

typedef struct recurrent_translator {
    recurrent_config config;
    parameters parameters;
    safetensors *file;     /* where the weights lie that are not copied; NULL: they all are */
    weights_unused unused; /* of the file it was read from */
    tensor *embedding;     /* (vocabulary, E) */
    recurrent_parameters *encoder, *decoder;
    tensor *query_weight, *key_weight, *score_weight; /* (H, H), (H, H), (H); NULL where the score has none */
    tensor *combine_weight, *combine_bias;            /* (E, 2H) or, without attention, (E, H); (E) */
    tensor *output_bias;                              /* (vocabulary) */
} recurrent_translator;

/* Declares and allocates all parameters, initialised from `seed` if trainable, else zero. */
attn_status recurrent_translator_create(recurrent_translator **out, const recurrent_config *config, bool trainable,
                                        uint64_t seed);
void recurrent_translator_destroy(recurrent_translator *m);

/* Reads DIR/config.json and DIR/model.safetensors (fp32, bf16, fp16 or int8). Every weight's name and shape is checked
 * against the configuration before memory is taken. */
attn_status recurrent_translator_open(recurrent_translator **out, const char *directory, bool trainable);

/* Writes DIR/config.json and model.safetensors, each beside and renamed. */
attn_status recurrent_translator_save(const recurrent_translator *m, const char *directory, weight_format format);

/* What the decoder needs of a source: its beginning and what it attends to. */
typedef struct recurrent_memory {
    int64_t batch, length;
    const int64_t *lengths;
    tensor *values;          /* (B*S, H), the encoder's results */
    tensor *keys;            /* (B*S, H), as the score takes them; NULL without attention */
    recurrent_state *states; /* of each decoder layer, before its first step */
} recurrent_memory;

/* ids (B*S), padded, lengths of B. Failures are left on the tape; *out is then not to be used. */
void recurrent_encode(tape *t, recurrent_translator *m, const int32_t *ids, int64_t batch, int64_t source_length,
                      const int64_t *lengths, recurrent_memory *out);

/* What the decoder carries from step to step, of `memory->batch` rows. */
typedef struct recurrent_carry {
    recurrent_state *states; /* of each layer */
    tensor *fed;             /* (B, E) with input feeding, zeros at first; else NULL */
} recurrent_carry;

/* The width of what enters the decoder beside the embedding. */
int64_t recurrent_fed_size(const recurrent_config *c);

/* One step of all rows: embedded (B, E) -> a_t (B, E). *carry is exchanged. weights: (B, S) of attention, or NULL. */
tensor *recurrent_step(tape *t, recurrent_translator *m, const recurrent_memory *memory, recurrent_carry *carry,
                       tensor *embedded, float *weights);

/* ids (B*T): decoder_start_id, then the target shifted right -> a (B*T, E) of those rows, or of all where rows is NULL.
 * weights: (B, T, S), or NULL. */
tensor *recurrent_decode(tape *t, recurrent_translator *m, const recurrent_memory *memory, const int32_t *ids,
                         int64_t target_length, const int64_t *rows, int64_t count, float *weights);

/* Embedded pieces, with dropout: ids of `rows` -> (rows, E). */
tensor *recurrent_embed(tape *t, recurrent_translator *m, const int32_t *ids, int64_t rows);

/* a (rows, E) -> logits (rows, vocabulary) */
tensor *recurrent_logits(tape *t, recurrent_translator *m, tensor *a);

#endif
