/* What stands around a text's tokens, as tokenizer.json's `post_processor` says: [CLS] before, [SEP] after. */
#ifndef INPUT_TOKEN_TEMPLATE_H
#define INPUT_TOKEN_TEMPLATE_H

#include "attn/attn.h"

#include <jansson.h>

#define TEMPLATE_MOST 16

typedef struct token_template {
    int before_count, after_count;
    int32_t before[TEMPLATE_MOST], after[TEMPLATE_MOST];
} token_template;

/* `json` NULL or null: nothing. */
attn_status token_template_read(token_template *t, const json_t *json, const char *path);

#endif
