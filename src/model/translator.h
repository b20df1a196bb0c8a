/* A sequence-to-sequence Transformer, whole: parameters, encoder, decoder, output projection, and the Hugging Face
 * directory it is kept in. */
#ifndef MODEL_TRANSLATOR_H
#define MODEL_TRANSLATOR_H

#include "formats/safetensors.h"
#include "hidden/transformer.h"
#include "model/generation.h"
#include "model/translator_family.h"
#include "model/weight_format.h"
#include "model/weights_file.h"
#include "tensor/parameters.h"

typedef struct translator_config {
    translator_kind kind;
    int64_t vocab_size;         /* source pieces (config.json: vocab_size) */
    int64_t decoder_vocab_size; /* target pieces; equal to vocab_size when embeddings are shared */
    int64_t d_model;
    int64_t encoder_layers, decoder_layers;
    int64_t encoder_heads, decoder_heads;
    int64_t encoder_ffn_dim, decoder_ffn_dim;
    int64_t key_value_heads; /* of encoder and decoder; 0: as many as heads */
    bool qk_norm;            /* queries and keys are normalized head by head */
    float softcap;           /* of attention's scores; 0: none */
    int64_t max_position_embeddings;
    activation activation;
    bool scale_embedding; /* embeddings times sqrt(d_model) */
    bool share_encoder_decoder_embeddings;
    bool tie_word_embeddings; /* output projection = decoder embedding */
    float dropout, attention_dropout, activation_dropout;
    int32_t pad_id, eos_id, decoder_start_id;
} translator_config;

/* What makes x of ids before the first layer. */
typedef struct translator_embedding {
    tensor *table;                  /* (vocabulary, d_model) */
    tensor *learned_positions;      /* (max_position_embeddings + offset, d_model); NULL: computed ones */
    tensor *norm_gamma, *norm_beta; /* NULL: no norm */
    float *positions;               /* (max_position_embeddings, d_model), computed or stored; NULL: learned ones */
} translator_embedding;

typedef struct translator {
    translator_config config;
    parameters parameters;
    safetensors *file;                   /* where the weights lie that are not copied; NULL: they all are */
    weights_unused unused;               /* of the file it was read from */
    translator_embedding source, target; /* their tables and output_weight: the same tensor where shared or tied */
    tensor *output_weight;
    tensor *output_bias;   /* final_logits_bias (1, decoder vocabulary) */
    bool positions_stored; /* came from the file, and go back into it */
    transformer_layer *encoder, *decoder;
    transformer_options encoder_options, decoder_options;
    generation_settings generation;
} translator;

/* Declares and allocates all parameters, initialised from `seed` if trainable, else zero. Embeddings that are shared
 * must also be tied to the output (ATTN_ERROR_UNSUPPORTED): Hugging Face itself changed what the other combination
 * means. */
attn_status translator_create(translator **out, const translator_config *config, bool trainable, uint64_t seed);
void translator_destroy(translator *m);

/* Reads DIR/config.json and DIR/model.safetensors (fp32, bf16 or fp16). Every weight's name and shape is checked
 * against the configuration before memory is taken. */
attn_status translator_open(translator **out, const char *directory, bool trainable);

/* Writes DIR/config.json, generation_config.json and model.safetensors, each beside and renamed. */
attn_status translator_save(const translator *m, const char *directory, weight_format format);

/* For training. */
void translator_set_dropout(translator *m, float dropout, float attention_dropout);

/* Both fail the tape with ATTN_ERROR_ARGUMENT when a sequence is longer than max_position_embeddings. On an inferring
 * tape the translator is only read: any number of threads may share it, each with its tape. */

/* ids (B*S), padded with pad_id, lengths of B -> (B*S, d). */
tensor *translator_encode(tape *t, translator *m, const int32_t *ids, int64_t batch, int64_t source_length,
                          const int64_t *lengths, const attention_weights_sink *sink);

/* ids (B*T): decoder_start_id, then the target shifted right -> logits (B*T, decoder vocabulary). */
tensor *translator_decode(tape *t, translator *m, tensor *memory, const int64_t *memory_lengths, const int32_t *ids,
                          int64_t batch, int64_t target_length, const attention_weights_sink *sink);

/* The same for chosen rows alone, say those that are no padding: rows (count), each in 0 .. B*T - 1 and none twice ->
 * logits (count, decoder vocabulary). */
tensor *translator_decode_rows(tape *t, translator *m, tensor *memory, const int64_t *memory_lengths,
                               const int32_t *ids, int64_t batch, int64_t target_length, const int64_t *rows,
                               int64_t count);

/* One cached step: the last token of every row, all at position `position` -> (rows, d), for translator_project. */
tensor *translator_step(tape *t, translator *m, transformer_cache *cache, const int32_t *ids, int64_t rows,
                        int64_t position, const attention_weights_sink *sink);

/* Rows that leave the decoder (rows, d) -> logits (rows, decoder vocabulary). */
tensor *translator_project(tape *t, translator *m, tensor *x);

#endif
