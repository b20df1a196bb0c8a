#include "commands.h"
#include "seq2seq_command.h"

int command_summarize(int argc, char **argv)
{
    static const seq2seq_command summarize = {
        .name = "summarize",
        .task = ATTN_SEQ_TASK_SUMMARIZE,
        .run = attn_seq_summarize,
        .summary = "Sums up each line of FILE, or of standard input: one text a line in, one summary a line\n"
                   "out, in order.",
        .details = "Of a text longer than the model takes, its beginning is read. A line that cannot be\n"
                   "summarized (invalid UTF-8) gives an empty line and a message that names it; the\n"
                   "others go on, and the exit status is 1 at the end.\n"
                   "\n" SEQ2SEQ_DETAILS,
        .examples = "attn summarize abstracts.txt\n"
                    "attn summarize -b 1 --scores abstracts.txt\n"
                    "head -1 abstracts.txt | attn summarize --attention summary.html",
    };
    return seq2seq_command_run(&summarize, argc, argv);
}
