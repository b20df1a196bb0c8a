/*
 * seq.h - sequence models built on the attention operator: open, run, train, score, look inside.
 *
 * Everything that the command `attn` does, it does through this header. Models are Hugging Face directories.
 */
#ifndef ATTN_SEQ_H
#define ATTN_SEQ_H

#include "attn/attn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The message of this thread's last failed call into libattnseq; "" before the first. Never NULL. */
ATTN_API const char *attn_seq_error(void);

/* ---- a model ------------------------------------------------------------------------------------------------ */

/* An open translator: its weights and its tokenizer. Nothing in it changes after opening, so any number of threads may
 * use one model at the same time, each through its own calls. */
typedef struct attn_seq_model attn_seq_model;

/* What a model is, in numbers; the strings belong to the model. */
typedef struct attn_seq_description {
    size_t struct_size;           /* set by the caller to sizeof(attn_seq_description) */
    const char *directory;        /* as it was given */
    int64_t parameters;           /* weights that are stored, shared ones once */
    int64_t source_vocabulary;    /* pieces */
    int64_t target_vocabulary;
    int64_t width;                /* d_model */
    int64_t encoder_layers, decoder_layers;
    int64_t encoder_heads, decoder_heads;
    int64_t encoder_ffn, decoder_ffn;
    int64_t max_positions;        /* the longest sequence, in pieces with </s> */
    const char *activation;       /* "relu", "gelu" or "swish" */
} attn_seq_description;

/* Opens a Hugging Face Marian directory: config.json, model.safetensors (fp32, bf16 or fp16), source.spm, target.spm,
 * vocab.json (and target_vocab.json where the vocabularies are separate). Every size is checked before it is used; nothing
 * in the directory is executed.
 *
 *   out        receives the model, NULL on failure; not NULL
 *   directory  path, not NULL; copied
 *
 * Thread safety: may run in several threads at once.
 * Returns ATTN_OK; ATTN_ERROR_ARGUMENT (an argument is NULL); ATTN_ERROR_FILE (a file cannot be read); ATTN_ERROR_FORMAT
 * (a file's contents are not sound: the message names file, field, value and what was expected); ATTN_ERROR_UNSUPPORTED (a
 * sound model of a kind that this version does not run); ATTN_ERROR_MEMORY. */
ATTN_API attn_status attn_seq_model_open(attn_seq_model **out, const char *directory);

/* Frees the model; NULL is ignored. No call may still be using it. */
ATTN_API void attn_seq_model_close(attn_seq_model *model);

/* Fills *description, whose struct_size the caller has set; model and description are not NULL.
 * Thread safety: may run in several threads on one model.
 * Returns ATTN_OK or ATTN_ERROR_ARGUMENT (NULL, or a struct_size of another version). */
ATTN_API attn_status attn_seq_model_describe(const attn_seq_model *model, attn_seq_description *description);

/* ---- training a translator -------------------------------------------------------------------------------- */

/* ---- translating ------------------------------------------------------------------------------------------ */

/* ---- scoring ---------------------------------------------------------------------------------------------- */

/* ---- looking inside ---------------------------------------------------------------------------------------- */

/* ---- arrays in files (npy) --------------------------------------------------------------------------------- */

#ifdef __cplusplus
}
#endif
#endif
