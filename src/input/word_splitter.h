/* The second step of a tokenizer: normalized text cut into words that its model then cuts into pieces, as
 * tokenizer.json's `pre_tokenizer` says. */
#ifndef INPUT_WORD_SPLITTER_H
#define INPUT_WORD_SPLITTER_H

#include "attn/attn.h"

#include <jansson.h>
#include <stdbool.h>

typedef struct word_splitter word_splitter;

/* `json` NULL or null: all text is one word. An unknown kind is ATTN_ERROR_UNSUPPORTED and named. */
attn_status word_splitter_read(word_splitter **out, const json_t *json, const char *path);

/* NULL is ignored. */
void word_splitter_destroy(word_splitter *w);

/* Calls each(argument, word) for every word of valid UTF-8, in order. `first`: the text begins here, no special piece
 * stands before it. */
attn_status word_splitter_run(const word_splitter *w, const char *text, size_t bytes, bool first,
                              void (*each)(void *argument, const char *word, size_t bytes), void *argument);

/* Whether its words are bytes, written as the 256 characters of GPT-2. */
bool word_splitter_is_byte_level(const word_splitter *w);

/* GPT-2's character for a byte, and back (-1: none). */
uint32_t byte_level_point(unsigned char byte);
int byte_level_byte(uint32_t point);

#endif
