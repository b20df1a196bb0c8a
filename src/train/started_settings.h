/* What a run of any kind that begins with a model of options->from takes of it, or does otherwise than from nothing. */
#ifndef TRAIN_STARTED_SETTINGS_H
#define TRAIN_STARTED_SETTINGS_H

#include "train/settings.h"

/* setting_fix for each of the list. */
attn_status started_fix(attn_seq_train_options *o, const setting_default *list);

/* The learning rate and its warm-up, where none were said. */
void started_prefer_rate(attn_seq_train_options *o);

/* The longest text where none was said: `usual`, or all that the model has positions for. ARGUMENT where what was said
 * is more than these. */
attn_status started_longest(attn_seq_train_options *o, int64_t positions, int64_t usual);

#endif
