/* A training under way, and what training_loop.c leaves to others: preparing it (training_preparation.c), and how far
 * it is (training_progress.c). For these three files alone. */
#ifndef TRAIN_TRAINING_H
#define TRAIN_TRAINING_H

#include "train/checkpoint.h"
#include "train/recent_figures.h"
#include "train/train_state.h"
#include "train/training_loop.h"
#include "train/working_clock.h"

/* What the random numbers are for: each purpose has a key of its own under the seed. */
enum { KEY_WEIGHTS = 1, KEY_EPOCH, KEY_DROPOUT, KEY_FETCH };

typedef struct training {
    const training_kind *kind;
    void *task;
    attn_seq_train_options o; /* complete */
    int threads;
    bool made_directory;
    bool replaces;       /* the model of the directory, which still holds it */
    bool begins;         /* a new run has the directory, and no checkpoint lies there yet */
    int lock;            /* on the directory; -1: none */
    bool changes_format; /* resumed to save in another one than before */
    checkpoint checkpoint;
    training_data_facts facts;
    train_state state;
    tape *tape;
    int64_t batches;       /* of an epoch */
    int64_t planned_epoch; /* -1: none */
    working_clock clock;
    double saved_at; /* the clock's seconds at the last checkpoint */
    recent_figures recent;
    attn_seq_train_progress progress;
} training;

/* Everything before the first step: the directory and its lock, data, model, state (a checkpoint's, when resuming) and
 * tape. Cleared also after a failure. */
attn_status training_prepare(training *r);
void training_clear(training *r);

/* What a caller is told before the first step. */
attn_seq_train_progress training_progress_before(const training_kind *kind);

/* The fraction of the run that is done: 1 at its end. */
double training_fraction_done(const training *r);

/* The learning rate of the next step. */
double training_rate(const training *r);

/* Tells the caller how the run stands: the numbers as training_update_progress last took them down. */
void training_report(training *r, attn_seq_train_event event);
void training_update_progress(training *r);
void training_show_validation(training *r, const validation_result *v);

/* A notice_sink's function: tells the caller a sentence. argument: the training. */
void training_tell(void *argument, const char *message);

#endif
