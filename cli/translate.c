#include "commands.h"
#include "seq2seq_command.h"

int command_translate(int argc, char **argv)
{
    static const seq2seq_command translate = {
        .name = "translate",
        .task = ATTN_SEQ_TASK_TRANSLATE,
        .run = attn_seq_translate,
        .of_long_lines = "translated in parts, cut at sentence ends where there are some",
        .summary = "Translates each line of FILE, or of standard input: one line in, one line out, in order.",
        .details = "Lines longer than the model takes are split at sentence ends, where these are too far\n"
                   "apart at a comma or between words, and joined again; at the end it is told how many\n"
                   "were. A line that cannot be translated (invalid UTF-8) gives an empty line and a\n"
                   "message that names it; the others go on, and the exit status is 1 at the end.\n"
                   "\n" SEQ2SEQ_DETAILS,
        .examples = "echo 'Where is the station?' | attn translate\n"
                    "attn translate -b 1 --scores book.txt\n"
                    "echo 'I love you.' | attn translate --attention love.png\n"
                    "attn translate -m my-model --n-best 3 --alignment hard book.txt",
    };
    return seq2seq_command_run(&translate, argc, argv);
}
