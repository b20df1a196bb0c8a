#include "commands.h"
#include "train_options.h"
#include "train_pairs.h"

static const char details[] =
    "FILE holds a pair on every line, source TAB target, plain or gzip; further columns\n"
    "are ignored. With --train-target (and --valid-target) the sources and the targets\n"
    "are in two files, line by line.\n"
    "\n"
    "--key-value-heads, --qk-norm and --softcap change a Transformer's attention in ways\n"
    "that Marian has not: DIR's model_type is then attn-transformer, for attn alone.\n"
    "\n" TRAIN_PAIRS_DETAILS("train translate", "any other Transformer's: transformers.MarianMTModel", "BLEU");

typedef struct architecture_choice {
    attn_seq_train_options *options;
    int arch, attention; /* -1: not said */
    bool feeding, qk_norm;
} architecture_choice;

static int settle(const command_line *line, bool resume, void *argument)
{
    const architecture_choice *c = argument;
    attn_seq_train_options *o = c->options;
    const bool recurrent_said = c->attention >= 0 || c->feeding || o->embedding >= 0;
    if (c->arch <= ATTN_SEQ_ARCH_TRANSFORMER && !resume && !o->from && recurrent_said)
        return options_refuse(line, "--attention, --input-feeding and --embedding go with --arch lstm, gru or rnn");
    if (c->feeding && c->attention >= 0 && c->attention < ATTN_SEQ_ATTEND_DOT)
        return options_refuse(line, "--input-feeding goes with --attention dot, general or concat");
    const bool attention_said = o->key_value_heads >= 0 || c->qk_norm || o->softcap >= 0;
    if (c->arch > ATTN_SEQ_ARCH_TRANSFORMER && attention_said)
        return options_refuse(line, "--key-value-heads, --qk-norm and --softcap go with --arch transformer");
    if (c->qk_norm) o->qk_norm = 1;
    o->arch = c->arch;
    o->attention = c->attention;
    if (c->feeding) o->feeding = 1;
    return -1;
}

int command_train_translate(int argc, char **argv)
{
    attn_seq_train_options options;
    attn_seq_train_options_init(&options);
    architecture_choice choice = {.options = &options, .arch = -1, .attention = -1};
    const option own[] = {
        option_choice(0, "arch", &choice.arch, train_arch_names, "what to train (default transformer)"),
        option_choice(0, "attention", &choice.attention, train_attention_names,
                      "how a recurrent decoder scores the encoder's states (default general)"),
        option_flag(0, "input-feeding", &choice.feeding,
                    "with dot, general and concat: give the next step what was attended to; slower"),
        option_int(0, "embedding", "N", &options.embedding, 1, 16384,
                   "width of a recurrent model's embedding (default that of the model)"),
        option_int(0, "key-value-heads", "N", &options.key_value_heads, 1, 1024,
                   "of a Transformer, a divisor of the heads, which share them (default --heads)"),
        option_flag(0, "qk-norm", &choice.qk_norm, "normalize a Transformer's queries and keys head by head"),
        option_float(0, "softcap", "C", &options.softcap, 0, 1e6,
                     "cap a Transformer's attention scores to C tanh(score / C), 0: not (default 0)"),
    };
    const pairs_training training = {
        .command = "train translate",
        .train = attn_seq_train_translator,
        .summary = "Trains a translator, a Transformer or a recurrent network, from sentence pairs.",
        .details = details,
        .examples = "attn train translate --train train.tsv.gz --valid valid.tsv --model my-model\n"
                    "attn train translate --train a.en --train-target a.fr --model my-model --minutes 60\n"
                    "attn train translate --train train.tsv.gz --model my-lstm --arch lstm --attention general\n"
                    "attn train translate --from opus-mt-en-fr --train mine.tsv --model my-model --epochs 3\n"
                    "attn train translate --model my-model --resume",
        .longest = "leave out pairs with more pieces on a side (default 256)",
        .own = own,
        .own_count = sizeof own / sizeof *own,
        .settle = settle,
        .argument = &choice,
        .options = &options,
    };
    return train_pairs(&training, argc, argv);
}
