#include "commands.h"
#include "train_pairs.h"

static const char details[] =
    "FILE holds a pair on every line, TEXT TAB SUMMARY, plain or gzip; further columns are\n"
    "ignored. With --train-target (and --valid-target) the texts and the summaries are in\n"
    "two files, line by line.\n"
    "\n" TRAIN_PAIRS_DETAILS("train summarize", "transformers.BartForConditionalGeneration", "ROUGE-L");

int command_train_summarize(int argc, char **argv)
{
    attn_seq_train_options options;
    attn_seq_train_options_init(&options);
    const option own[] = {
        option_int(0, "denoise", "N", &options.denoise, 0, INT64_C(1000000000000000),
                   "in the first N steps learn to restore masked text, not yet to summarize (default 0)"),
    };
    const pairs_training training = {
        .command = "train summarize",
        .train = attn_seq_train_summarizer,
        .summary = "Trains a BART that summarizes, from texts and their summaries.",
        .details = details,
        .examples = "attn train summarize --train train.tsv.gz --valid valid.tsv --model my-model --denoise 1500",
        .longest = "pieces of a text that are read; what follows is cut off (default 128)",
        .own = own,
        .own_count = sizeof own / sizeof *own,
        .options = &options,
    };
    return train_pairs(&training, argc, argv);
}
