/* Runs a training that a command line has described: shows its progress, stops it at a checkpoint on Ctrl-C,
 * SIGTERM, SIGHUP and SIGPIPE, and tells how it ended. */
#ifndef CLI_TRAIN_RUN_H
#define CLI_TRAIN_RUN_H

#include "train_options.h"

typedef struct train_run {
    const char *command; /* "train translate" */
    const char *targets; /* what its options call train_target and valid_target: "target", "labels" */
    attn_status (*train)(const attn_seq_train_options *options);
    attn_seq_train_options *options; /* whose last four fields are filled here */
    train_choices choices;
} train_run;

/* The exit status. */
int train_run_go(const train_run *run);

/* Runs it for each of `folds` parts of the examples, which is held out while a model learns from the others, in
 * DIR/fold-0, DIR/fold-1, ..; tells the scores of each and their mean. A fold's scores are those at its end: nothing is
 * chosen by what is held out. The exit status. */
int train_run_folds(const train_run *run, int64_t folds);

#endif
