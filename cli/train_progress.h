/* A training run as it is shown: a bar on a terminal, a line now and then in a log, JSON for programs. */
#ifndef CLI_TRAIN_PROGRESS_H
#define CLI_TRAIN_PROGRESS_H

#include "attn/seq.h"

typedef enum progress_style { PROGRESS_NONE, PROGRESS_PEOPLE, PROGRESS_JSON } progress_style;

typedef struct train_progress {
    progress_style style;
    double shown_at; /* the run's seconds when a step was shown last */
    bool begun;      /* a step was shown */
    bool on_bar;     /* the cursor stands on the bar's line */
} train_progress;

/* For attn_seq_train_options.progress, with the train_progress as its argument. */
void train_progress_show(void *argument, const attn_seq_train_progress *p);

/* Prints `, "NAME": value` as the JSON lines have it: the name in small letters between `before` and `after`. */
void train_progress_print_number(const char *before, const char *name, const char *after, double value);

/* Leaves the bar's line. */
void train_progress_end(train_progress *shown);

#endif
