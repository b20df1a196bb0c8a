/* A sequence-to-sequence training that begins with a model of options->from. */
#ifndef TRAIN_SEQ2SEQ_STARTED_H
#define TRAIN_SEQ2SEQ_STARTED_H

#include "input/tokenizer.h"
#include "model/seq2seq.h"
#include "train/settings.h"

/* training_kind.start_from, for models of the task; `longest` is its default. */
attn_status seq2seq_started_settings(attn_seq_train_options *o, attn_seq_task task, int64_t longest);

/* The directory's model, of the kind that o->arch says, with o's dropout. *m is overwritten. */
attn_status seq2seq_started_open(seq2seq *m, const attn_seq_train_options *o, const char *directory, bool trainable);

/* Whether every piece of the tokenizer has its row in the embeddings. */
attn_status seq2seq_started_check(const seq2seq *m, const tokenizer *k, const char *directory);

#endif
