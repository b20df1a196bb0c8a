/* The directory that a new run writes to. */
#ifndef TRAIN_MODEL_DIRECTORY_H
#define TRAIN_MODEL_DIRECTORY_H

#include "attn/attn.h"

/* Makes the directory, and those above it, if absent. One that holds a model or a checkpoint is refused, or with
 * `replace` loses them. */
attn_status model_directory_prepare(const char *directory, bool replace);

#endif
