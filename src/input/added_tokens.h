/* Tokens that stand beside a tokenizer's model and are found in the text before it is cut into words: [CLS], </s>, ...
 * As the tokenizers library finds them. */
#ifndef INPUT_ADDED_TOKENS_H
#define INPUT_ADDED_TOKENS_H

#include "attn/attn.h"
#include "input/normalizer.h"

#include <jansson.h>

typedef struct added_token {
    int32_t id;
    char *content; /* as it is looked for: normalized where `normalized` says so */
    char *name;    /* as it is written in the file */
    size_t bytes;  /* of content */
    bool special, normalized, single_word, lstrip, rstrip;
} added_token;

typedef struct added_tokens {
    added_token *tokens;
    int64_t count;
} added_tokens;

/* tokenizer.json's added_tokens, an array or NULL. To be cleared also after a failure. */
attn_status added_tokens_read(added_tokens *out, const json_t *array, const normalizer *n, const char *path);

/* Adds one special token; its name is copied. */
attn_status added_tokens_add(added_tokens *a, const char *name, int32_t id, const char *path);

void added_tokens_clear(added_tokens *a);

/* NULL when none has the id. */
const added_token *added_tokens_of_id(const added_tokens *a, int32_t id);

/* A place in the text: [begin, end) is the token, with the white space that it takes in. */
typedef struct added_match {
    size_t begin, end;
    const added_token *token;
} added_match;

/* The first token at or after `from`, the longest of those that begin there, of those that are (not) looked for in
 * normalized text; false when there is none. */
bool added_tokens_next(const added_tokens *a, const char *text, size_t bytes, size_t from, bool normalized,
                       added_match *match);

#endif
