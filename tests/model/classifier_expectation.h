/* What transformers computed with a classifier, read from expected.safetensors (tests/fixtures/make_bert.py and its
 * neighbours say what is in it), and compared with what is computed here. */
#ifndef MODEL_CLASSIFIER_EXPECTATION_H
#define MODEL_CLASSIFIER_EXPECTATION_H

#include "model/classifier.h"

/* The largest difference in logits, and in the last layer's attention weights where the file holds them. On failure the
 * message is in status_message(). */
attn_status classifier_compare(const classifier *m, const char *expected_path, float *largest);

#endif
