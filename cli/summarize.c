#include "commands.h"
#include "seq2seq_command.h"

int command_summarize(int argc, char **argv)
{
    static const seq2seq_command summarize = {
        .name = "summarize",
        .task = ATTN_SEQ_TASK_SUMMARIZE,
        .run = attn_seq_summarize,
        .of_long_lines = "the beginning alone was read",
        .summary = "Sums up each line of FILE, or of standard input: one text a line in, one summary a line\n"
                   "out, in order.",
        .details = "Of a text longer than the model takes, its beginning is read; at the end it is told\n"
                   "how many there were. A line that cannot be summarized (invalid UTF-8) gives an empty\n"
                   "line and a message that names it; the others go on, and the exit status is 1 at the\n"
                   "end.\n"
                   "\n" SEQ2SEQ_DETAILS,
        .examples = "attn summarize abstracts.txt\n"
                    "attn summarize -b 1 --scores abstracts.txt\n"
                    "head -1 abstracts.txt | attn summarize --attention summary.html",
    };
    return seq2seq_command_run(&summarize, argc, argv);
}
