/* A classifier's making in its two steps, which creating and opening share. */
#ifndef MODEL_CLASSIFIER_PARTS_H
#define MODEL_CLASSIFIER_PARTS_H

#include "model/classifier.h"

/* Everything that takes no memory for weights: layers, options, and every parameter declared. */
attn_status classifier_declare(classifier **out, const classifier_config *config);

/* Every pointer to the parameters, which have their memory. */
void classifier_bind(classifier *m);

#endif
