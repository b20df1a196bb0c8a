/* The options that every training has, and that mean the same in each: where the model goes, how to begin and when to
 * end, what to tell. */
#ifndef CLI_TRAIN_OPTIONS_H
#define CLI_TRAIN_OPTIONS_H

#include "options.h"

#include "attn/seq.h"

#define TRAIN_OPTIONS_COUNT 15

/* The choices of --arch, in the order of attn_seq_arch. */
extern const char *const train_arch_names[];
/* Those of --attention, --schedule, --compute and --format, in the order of attn_seq_attend, attn_seq_schedule,
 * attn_seq_compute and attn_seq_weights. */
extern const char *const train_attention_names[];
extern const char *const train_schedule_names[];
extern const char *const train_compute_names[];
extern const char *const train_format_names[];

/* What the details of every one of them end with. */
#define TRAIN_EXIT_STATUS                                                                                              \
    "Exit status: 0 done, 1 failed, 2 wrong usage; stopped after saving: 130 by Ctrl-C, 143 by\n"                      \
    "SIGTERM, 129 by its terminal's end, 141 by that of the program that reads what it tells."

/* A number for an option that lifts a limit. */
#define TRAIN_OPTIONS_MANY INT64_C(1000000000000000)

/* What is said of them, save what goes into attn_seq_train_options at once. */
typedef struct train_choices {
    int format, compute; /* -1: not said */
    bool resume, force, json, quiet;
} train_choices;

/* Fills TRAIN_OPTIONS_COUNT + own_count rows of a table: the model, the training's own, the others. *choices becomes
 * "not said". */
void train_options_fill(option *table, const option *own, size_t own_count, attn_seq_train_options *o,
                        train_choices *choices);

/* Once the line is parsed: stores what they mean. examples: "the pairs to learn from", for the message where --train is
 * missing. Returns -1 to go on, else 2 after telling wrong usage. */
int train_options_settle(const command_line *line, attn_seq_train_options *o, const train_choices *choices,
                         const char *examples);

#endif
