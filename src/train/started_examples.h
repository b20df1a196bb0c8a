/* Images and recordings prepared as the model has it that a run began with. */
#ifndef TRAIN_STARTED_EXAMPLES_H
#define TRAIN_STARTED_EXAMPLES_H

#include "train/classifier_data.h"

/* d->kind is images or recordings. Reads the preparation of o->from or, where the run goes on, that which it wrote to
 * o->model. */
attn_status started_examples_load(classifier_data *d, const attn_seq_train_options *o, bool begin,
                                  const example_list *train, const example_list *valid);

#endif
