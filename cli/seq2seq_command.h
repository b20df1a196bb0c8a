/* The commands that write a line for each line that they read: translate and summarize. */
#ifndef CLI_SEQ2SEQ_COMMAND_H
#define CLI_SEQ2SEQ_COMMAND_H

#include "attn/seq.h"

/* What differs. */
typedef struct seq2seq_command {
    const char *name; /* "translate" */
    attn_seq_task task;
    attn_status (*run)(const attn_seq_model *model, const attn_seq_translate_options *options,
                       const attn_seq_text *lines, int64_t count, attn_seq_translation **results);
    const char *of_long_lines; /* what became of them */
    const char *summary, *details, *examples;
} seq2seq_command;

/* What the details of both end with. */
#define SEQ2SEQ_DETAILS                                                                                                \
    "Alignments are between words as white space separates them, from the cross\n"                                     \
    "attention of the last decoder layer but one, averaged over its heads.\n"                                          \
    "With several lines, FILE.png is the first one's picture, FILE-2.png the next's; .npy is\n"                        \
    "likewise, and holds (layers, heads, rows, columns), or the one matrix that --layer,\n"                            \
    "--head or --rollout asks for."

/* Parses the command line, reads, runs and prints. The exit status. */
int seq2seq_command_run(const seq2seq_command *c, int argc, char **argv);

#endif
