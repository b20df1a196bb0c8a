/* What small sets of each kind of example want, found on those that data/README.md names. */
#ifndef TRAIN_CLASSIFIER_DEFAULTS_H
#define TRAIN_CLASSIFIER_DEFAULTS_H

#include "train/settings.h"

/* The list for o->train, by its kind unless o->task says it. ARGUMENT where o->arch is none for that kind, and where a
 * run that begins was told what means nothing for it; else the
 * failures of example_kind_of; *list is set on failure too. */
attn_status classifier_defaults(const attn_seq_train_options *o, const setting_default **list);

#endif
