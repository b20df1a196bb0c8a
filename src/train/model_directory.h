/* The directory that a run writes to. */
#ifndef TRAIN_MODEL_DIRECTORY_H
#define TRAIN_MODEL_DIRECTORY_H

#include "attn/attn.h"

/* Takes the directory, made if `make` and it is absent (then *made is true), for this run alone, until *lock is closed
 * or the process ends, however it ends; refused while another run has it. Then removes what a killed run left half
 * written. */
attn_status model_directory_take(const char *directory, bool make, bool *made, int *lock);

/* A directory that holds a model or a checkpoint is refused, or with `replace` loses them and what belongs to them. */
attn_status model_directory_clear(const char *directory, bool replace);

#endif
