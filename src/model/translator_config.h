/* config.json and generation_config.json of a directory of one of the families. */
#ifndef MODEL_TRANSLATOR_CONFIG_H
#define MODEL_TRANSLATOR_CONFIG_H

#include "model/translator.h"

/* Whether the numbers fit together; `name` begins the message. */
attn_status translator_config_check(const translator_config *c, const char *name);

/* Fields that are absent take Hugging Face's defaults, except sizes, which must be there. Embeddings that are shared
 * but not tied to the output become separate ones of equal size. */
attn_status translator_config_read(translator_config *c, const char *path);

attn_status translator_config_write(const translator_config *c, weight_format format, const char *path);
attn_status translator_generation_write(const translator_config *c, const generation_settings *g, const char *path);

#endif
