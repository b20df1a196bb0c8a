/* Runs a training that a command line has described: shows its progress, stops it at a checkpoint on Ctrl-C and
 * SIGTERM, and tells how it ended. */
#ifndef CLI_TRAIN_RUN_H
#define CLI_TRAIN_RUN_H

#include "attn/seq.h"

typedef struct train_run {
    const char *command; /* "train translate" */
    const char *use;     /* the command that runs such a model: "translate" */
    attn_status (*train)(const attn_seq_train_options *options);
    attn_seq_train_options *options; /* whose last four fields are filled here */
    bool resume, force, json, quiet;
} train_run;

/* The exit status. */
int train_run_go(const train_run *run);

#endif
