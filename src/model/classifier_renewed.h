/* A classifier that begins with another model's weights: fine-tuning. The directory holds a classifier, or the same
 * encoder with another head or none, as transformers saves BertModel, BertForMaskedLM or ViTModel. */
#ifndef MODEL_CLASSIFIER_RENEWED_H
#define MODEL_CLASSIFIER_RENEWED_H

#include "model/classifier.h"

/* DIR/config.json, whatever its head, of which the labels are. To be cleared also after a failure. */
attn_status classifier_encoder_read(classifier_config *c, const char *directory);

/* A trainable classifier of these labels with the directory's weights. Its head has them where both know the same
 * labels, in whichever order; what the file lacks or is for other labels is drawn by `seed`, which *drawn tells. */
attn_status classifier_renew(classifier **out, const char *directory, int64_t label_count, char *const *labels,
                             uint64_t seed, weights_drawn *drawn);

#endif
