/* A tokenizer in the four steps of Hugging Face's tokenizers library: the text is normalized, cut into words, each word
 * is cut into pieces by a model, and special tokens are set around them. Read from tokenizer.json, or from the files
 * that came before it. */
#ifndef INPUT_TOKEN_PIPELINE_H
#define INPUT_TOKEN_PIPELINE_H

#include "attn/attn.h"
#include "input/added_tokens.h"
#include "input/byte_pairs.h"
#include "input/id_list.h"
#include "input/token_template.h"
#include "input/unigram.h"
#include "input/vocabulary.h"
#include "input/word_splitter.h"
#include "input/wordpiece.h"

typedef enum pipeline_model { PIPELINE_UNIGRAM, PIPELINE_WORDPIECE, PIPELINE_BYTE_PAIRS } pipeline_model;

/* How pieces become text again. */
typedef enum pipeline_decoder { DECODE_SPACES, DECODE_METASPACE, DECODE_WORDPIECE, DECODE_BYTE_LEVEL } pipeline_decoder;

typedef struct token_pipeline {
    normalizer *normalizer;
    word_splitter *splitter;
    pipeline_model model;
    unigram *unigram; /* the model that it is; the others are not used */
    wordpiece wordpiece;
    byte_pairs *byte_pairs;
    vocabulary *vocabulary;
    added_tokens added;
    token_template around;
    pipeline_decoder decoder;
    char *inner_prefix; /* DECODE_WORDPIECE: of pieces inside a word */
    bool tidy;          /* DECODE_WORDPIECE: no space before a full stop and the like */
    int32_t unk;        /* -1: none */
    char **shown;       /* byte level: pieces by id as people read them; NULL: as they are */
    text_buffer shown_text;
} token_pipeline;

/* tokenizer.json. */
attn_status token_pipeline_open(token_pipeline **out, const char *path);

/* The same from memory; `name` is what messages call it. */
attn_status token_pipeline_parse(token_pipeline **out, const char *json, size_t bytes, const char *name);

/* BERT's vocab.txt, a piece a line, with what tokenizer_config.json in the same directory says of it. */
attn_status token_pipeline_open_bert(token_pipeline **out, const char *directory);

/* BART's vocab.json and merges.txt. */
attn_status token_pipeline_open_bart(token_pipeline **out, const char *directory);

/* NULL is ignored. */
void token_pipeline_destroy(token_pipeline *p);

/* The ids of valid UTF-8, special tokens around them, appended to *ids. */
attn_status token_pipeline_encode(const token_pipeline *p, const char *text, size_t bytes, id_list *ids);

/* The text of ids, special tokens skipped; malloc'ed. */
attn_status token_pipeline_decode(const token_pipeline *p, const int32_t *ids, int64_t count, char **text);

/* NULL when no piece has the id. */
const char *token_pipeline_piece(const token_pipeline *p, int32_t id);

/* The same as people read it: bytes as the characters that they are, a leading space as U+2581. */
const char *token_pipeline_shown(const token_pipeline *p, int32_t id);

/* -1 when there is none. */
int32_t token_pipeline_find(const token_pipeline *p, const char *piece);

bool token_pipeline_is_special(const token_pipeline *p, int32_t id);

/* One more than the largest id. */
int64_t token_pipeline_size(const token_pipeline *p);

#endif
