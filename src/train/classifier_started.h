/* A classifier's training that begins with a model of options->from. */
#ifndef TRAIN_CLASSIFIER_STARTED_H
#define TRAIN_CLASSIFIER_STARTED_H

#include "model/classifier.h"
#include "train/classifier_data.h"
#include "train/settings.h"

/* training_kind.start_from. */
attn_status classifier_started_settings(attn_seq_train_options *o);

/* The model of o->from with the data's labels, of which a sentence tells what was drawn anew by the key; or, where the
 * run goes on, what it wrote to o->model. */
attn_status classifier_started_create(classifier **out, const attn_seq_train_options *o, const classifier_data *d,
                                      bool begin, uint64_t key, notice_sink notices);

#endif
