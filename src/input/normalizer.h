/* The first step of a tokenizer: text made uniform, as tokenizer.json's `normalizer` says. */
#ifndef INPUT_NORMALIZER_H
#define INPUT_NORMALIZER_H

#include "attn/attn.h"
#include "input/text_buffer.h"

#include <jansson.h>

typedef struct normalizer normalizer;

/* `json` NULL or null: text stays as it is. An unknown kind is ATTN_ERROR_UNSUPPORTED and named. */
attn_status normalizer_read(normalizer **out, const json_t *json, const char *path);

/* NULL is ignored. */
void normalizer_destroy(normalizer *n);

/* Normalizes valid UTF-8 in place; fails as the buffer does. */
void normalizer_run(const normalizer *n, text_buffer *text);

#endif
