/* The directory that a run writes to. */
#ifndef TRAIN_MODEL_DIRECTORY_H
#define TRAIN_MODEL_DIRECTORY_H

#include "attn/attn.h"

/* Takes the directory, made if `make` and it is absent (then *made is true), for this run alone, until *lock is closed
 * or the process ends, however it ends; refused while another run has it. Then removes what a killed run left half
 * written. */
attn_status model_directory_take(const char *directory, bool make, bool *made, int *lock);

/* Refuses a directory that holds a model or a checkpoint. */
attn_status model_directory_refuse(const char *directory);

/* Before the first file is written: with *replaces, which is then false, the directory loses a model, a checkpoint and
 * what belongs to them. What keeps the run from beginning is found before, and costs no model. */
attn_status model_directory_make_way(const char *directory, bool *replaces);

/* After a run that could not even write its first checkpoint, into a directory without a model: what it wrote goes
 * again, so that the next run is not refused. All of it where the run `made` the directory, else what
 * model_directory_refuse looks for: a tokenizer may have been there before. */
void model_directory_abandon(const char *directory, bool made);

/* A run that begins with another model writes that model, then its first checkpoint. A mark between these two calls
 * says of what lies there that no run can go on from it, should this one be killed. */
attn_status model_directory_mark_beginning(const char *directory);
void model_directory_end_beginning(const char *directory);

/* Removes what a run left that was killed before its first checkpoint, the mark last; true where there was one. */
bool model_directory_recover(const char *directory);

#endif
