#include "commands.h"
#include "train_pairs.h"

static const char details[] = "FILE holds a pair on every line, source TAB target, plain or gzip; further columns\n"
                              "are ignored. With --train-target (and --valid-target) the sources and the targets\n"
                              "are in two files, line by line.\n"
                              "\n" TRAIN_PAIRS_DETAILS("train translate", "transformers.MarianMTModel", "BLEU");

int command_train_translate(int argc, char **argv)
{
    attn_seq_train_options options;
    attn_seq_train_options_init(&options);
    const pairs_training training = {
        .command = "train translate",
        .use = "translate",
        .train = attn_seq_train_translator,
        .summary = "Trains a Transformer that translates, from sentence pairs.",
        .details = details,
        .examples = "attn train translate --train train.tsv.gz --valid valid.tsv --model my-model\n"
                    "attn train translate --train a.en --train-target a.fr --model my-model --minutes 60\n"
                    "attn train translate --model my-model --resume",
        .longest = "leave out pairs with more pieces on a side (default 256)",
        .options = &options,
    };
    return train_pairs(&training, argc, argv);
}
