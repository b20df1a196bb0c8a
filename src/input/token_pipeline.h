/* A tokenizer in the four steps of Hugging Face's tokenizers library: the text is normalized, cut into words, each word
 * is cut into pieces by a model, and special tokens are set around them. Read from tokenizer.json, or from the files
 * that came before it. */
#ifndef INPUT_TOKEN_PIPELINE_H
#define INPUT_TOKEN_PIPELINE_H

#include "attn/attn.h"
#include "input/added_tokens.h"
#include "input/id_list.h"
#include "input/token_template.h"
#include "input/unigram.h"
#include "input/vocabulary.h"
#include "input/word_splitter.h"

typedef enum pipeline_model { PIPELINE_UNIGRAM } pipeline_model;

/* How pieces become text again. */
typedef enum pipeline_decoder { DECODE_METASPACE } pipeline_decoder;

typedef struct token_pipeline {
    normalizer *normalizer;
    word_splitter *splitter;
    pipeline_model model;
    unigram *unigram;
    vocabulary *vocabulary;
    added_tokens added;
    token_template around;
    pipeline_decoder decoder;
    int32_t unk; /* -1: none */
} token_pipeline;

/* tokenizer.json. */
attn_status token_pipeline_open(token_pipeline **out, const char *path);

/* The same from memory; `name` is what messages call it. */
attn_status token_pipeline_parse(token_pipeline **out, const char *json, size_t bytes, const char *name);

/* NULL is ignored. */
void token_pipeline_destroy(token_pipeline *p);

/* The ids of valid UTF-8, special tokens around them, appended to *ids. */
attn_status token_pipeline_encode(const token_pipeline *p, const char *text, size_t bytes, id_list *ids);

/* The text of ids, special tokens skipped; malloc'ed. */
attn_status token_pipeline_decode(const token_pipeline *p, const int32_t *ids, int64_t count, char **text);

/* NULL when no piece has the id. */
const char *token_pipeline_piece(const token_pipeline *p, int32_t id);

/* -1 when there is none. */
int32_t token_pipeline_find(const token_pipeline *p, const char *piece);

bool token_pipeline_is_special(const token_pipeline *p, int32_t id);

/* One more than the largest id. */
int64_t token_pipeline_size(const token_pipeline *p);

#endif
