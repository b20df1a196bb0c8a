/* config.json of a recurrent model's directory. */
#ifndef MODEL_RECURRENT_CONFIG_H
#define MODEL_RECURRENT_CONFIG_H

#include "model/recurrent_translator.h"

/* Whether the numbers fit together; `name` begins the message. */
attn_status recurrent_config_check(const recurrent_config *c, const char *name);

attn_status recurrent_config_read(recurrent_config *c, const char *path);
attn_status recurrent_config_write(const recurrent_config *c, weight_format format, const char *path);

/* "lstm", "general" and so on; NULL-terminated, by the numbers of their enumerations. */
extern const char *const recurrent_cell_names[], *const recurrent_attention_names[];

#endif
