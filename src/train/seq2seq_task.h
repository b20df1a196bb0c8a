/* What the trainings of sequence-to-sequence models have in common: pairs in batches, the loss of a batch, greedy
 * results of the validation pairs. The functions that take a `void *task` are entries of a training_kind; `task` begins
 * with a seq2seq_task. */
#ifndef TRAIN_SEQ2SEQ_TASK_H
#define TRAIN_SEQ2SEQ_TASK_H

#include "input/batches.h"
#include "model/seq2seq.h"
#include "train/train_data.h"
#include "train/training_loop.h"
#include "train/validation.h"

typedef struct seq2seq_task {
    const attn_seq_train_options *options;
    int threads;
    bool begin;          /* false: the run goes on */
    const int64_t *step; /* steps done so far */
    train_data data;
    seq2seq model;
    batch_plan plan;
    batch batch;
} seq2seq_task;

attn_status seq2seq_task_load(seq2seq_task *k, const training_setup *setup, const train_data_form *form,
                              training_data_facts *facts);

/* The task's model where it began with options->from: that one, or when the run goes on what it wrote. */
attn_status seq2seq_task_open(seq2seq_task *k, parameters **p);

/* The model becomes the task's. */
void seq2seq_task_take(seq2seq_task *k, seq2seq model, parameters **p);

attn_status seq2seq_task_plan(void *task, uint64_t key, int64_t *batches);
attn_status seq2seq_task_fetch(void *task, int64_t index, uint64_t key);
tensor *seq2seq_task_loss(void *task, tape *t, step_figures *f);

/* The best model is that of the first of the scores that `score` gives or, until there is one and where right results
 * would have none, of the loss. */
attn_status seq2seq_task_validate(seq2seq_task *k, segments_scorer score, stop_question stop, validation_result *v);

attn_status seq2seq_task_save(void *task);
attn_status seq2seq_task_rewrite(void *task);
void seq2seq_task_clear(void *task);

#endif
