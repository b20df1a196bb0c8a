/* config.json of a classifier's directory. */
#ifndef MODEL_CLASSIFIER_CONFIG_H
#define MODEL_CLASSIFIER_CONFIG_H

#include "model/classifier.h"

/* Whether the numbers fit together; `name` begins the message. */
attn_status classifier_config_check(const classifier_config *c, const char *name);

/* To be cleared also after a failure. */
attn_status classifier_config_copy(classifier_config *to, const classifier_config *from);

/* Fields that are absent take Hugging Face's defaults, except sizes, which must be there. To be cleared also after a
 * failure. */
attn_status classifier_config_read(classifier_config *c, const char *path);

/* The same, of a Transformer whatever stands on it: `architectures` and `problem_type` may be any. */
attn_status classifier_config_read_encoder(classifier_config *c, const char *path);

attn_status classifier_config_write(const classifier_config *c, weight_format format, const char *path);

#endif
