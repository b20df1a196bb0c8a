#include "commands.h"
#include "options.h"
#include "train_run.h"

#include "attn/seq.h"

#include <inttypes.h>

static const char *const kind_names[] = {"text", "image", "audio", NULL};

typedef struct classify_line {
    attn_seq_train_options o;
    train_choices choices;
    int kind, arch;
    bool cross_validate;
} classify_line;

static const char details[] =
    "What to learn from is one of these, and what it is is told from the data, save with --kind:\n"
    "\n"
    "  texts       a file, plain or gzip, LABEL TAB TEXT on every line\n"
    "  images      a folder of folders, FOLDER/LABEL/NAME.png, .jpg or .jpeg; or an IDX file, plain or\n"
    "              gzip (MNIST's format), with its labels beside it or in --train-labels\n"
    "  recordings  a folder of folders, FOLDER/LABEL/NAME.wav\n"
    "  a list      of images or recordings, LABEL TAB PATH on every line\n"
    "\n"
    "Without --valid one example in ten (--folds) is held out to judge by. DIR becomes a Hugging Face\n"
    "directory (transformers opens it as BertForSequenceClassification, ViTForImageClassification or\n"
    "ASTForAudioClassification; a recurrent network's is our own) with the weights of the best\n"
    "validation, judged by accuracy. It also keeps checkpoint.safetensors, from which --resume goes\n"
    "on, as with `attn train translate`; with another --format it has the best model written again.\n"
    "\n"
    "--from fine-tunes a classifier, or gives a BERT, ViT or AST without one a head (BertModel,\n"
    "BertForMaskedLM, ViTModel and others of transformers). Sizes, tokenizer and preparation are that\n"
    "model's; its head stays where the labels are the same, and is else drawn anew, which is told.\n"
    "Defaults are then rate 0.00005, warmup 20, weight-decay 0.01, of texts augment 0, and the\n"
    "model's dropouts. Where no step makes it better than it was, DIR keeps it so, and a warning\n"
    "says that.\n"
    "\n"
    "Defaults that depend on what is learnt from (recurrent: --arch lstm, gru or rnn):\n"
    "\n"
    "                     texts   recurrent  images  recordings\n"
    "  dim                64      64         64      64\n"
    "  heads              4       1          4       4\n"
    "  layers             2       1          6       4\n"
    "  ffn                256     -          192     192\n"
    "  batch              32      32         64      32\n"
    "  dropout            0.3     0.5        0       0.1\n"
    "  attention-dropout  0.1     0          0       0\n"
    "  rate               0.0015  0.002      0.002   0.002\n"
    "  warmup             200     200        300     200\n"
    "  cooldown           0.7     0.7        0.8     0.8\n"
    "  weight-decay       0.3     0.3        0.05    0.05\n"
    "  augment            3       2          1       1\n"
    "  average            0.99    0.99       0.998   0.998\n"
    "  epochs             5       6          30      40\n"
    "\n" TRAIN_EXIT_STATUS;

static int check(const command_line *line, classify_line *l)
{
    const attn_seq_train_options *o = &l->o;
    int stop = train_options_settle(line, &l->o, &l->choices, "the labelled examples to learn from");
    if (stop >= 0) return stop;
    if (l->cross_validate && (l->choices.resume || o->valid || o->fold >= 0))
        return options_refuse(line, "--cross-validate begins anew and holds out every fold in turn: it goes with none "
                                    "of --resume, --valid and --fold");
    if (l->cross_validate && o->folds >= 0 && o->folds < 2)
        return options_refuse(line, "--cross-validate: --folds is %" PRId64 ", expected at least 2", o->folds);
    if (o->folds == 1) return options_refuse(line, "--folds is 1, expected 0, which holds out none, or at least 2");
    if (o->train_target && !o->train) return options_refuse(line, "--train-labels goes with --train");
    if (o->valid_target && !o->valid) return options_refuse(line, "--valid-labels goes with --valid");
    if (l->arch <= ATTN_SEQ_ARCH_TRANSFORMER && !l->choices.resume && !o->from && o->embedding >= 0)
        return options_refuse(line, "--embedding goes with --arch lstm, gru or rnn");
    if (l->arch > ATTN_SEQ_ARCH_TRANSFORMER && l->kind > 0)
        return options_refuse(line, "--arch %s is for texts, not for --kind %s", train_arch_names[l->arch],
                              kind_names[l->kind]);
    if (o->width > 0 && o->width % 2)
        return options_refuse(line, "--dim: %" PRId64 ", expected an even number", o->width);
    return -1;
}

static int parse(classify_line *l, int argc, char **argv)
{
    attn_seq_train_options *o = &l->o;
    attn_seq_train_options_init(o);
    l->kind = l->arch = -1;
    const option own[] = {
        option_string('t', "train", "PATH", &o->train, "examples to learn from (required, save with --resume)"),
        option_string('v', "valid", "PATH", &o->valid, "examples to judge by, and to stop early by"),
        option_string(0, "train-labels", "FILE", &o->train_target, "labels of an IDX file (default: beside it)"),
        option_string(0, "valid-labels", "FILE", &o->valid_target, "labels of --valid's IDX file"),
        option_choice(0, "kind", &l->kind, kind_names, "of the examples (default: told from the data)"),
        option_choice(0, "arch", &l->arch, train_arch_names,
                      "what to train; the last three, pooled by attention, are for texts (default transformer)"),
        option_int(0, "embedding", "N", &o->embedding, 1, 16384,
                   "width of a recurrent model's embedding (default that of the model)"),
        option_int(0, "folds", "N", &o->folds, 0, 1000000,
                   "without --valid, hold out one example in N, 0: none (default 10)"),
        option_int(0, "fold", "N", &o->fold, 0, 1000000, "which: those at N, N + folds, ... (default 0)"),
        option_flag(0, "cross-validate", &l->cross_validate,
                    "train a model for each fold, in DIR/fold-0, ..., and print what each scores on its fold"),
        option_int(0, "dim", "N", &o->width, 2, 16384, "width of the model"),
        option_int(0, "heads", "N", &o->heads, 1, 1024, "attention heads, a divisor of the width"),
        option_int(0, "layers", "N", &o->layers, 1, 100, "of the Transformer or the recurrent network"),
        option_int(0, "ffn", "N", &o->ffn, 1, 65536, "width of the feed-forward layers"),
        option_int(0, "vocab", "N", &o->vocabulary, 10, 1000000, "text: pieces (default 8000)"),
        option_int(0, "max-length", "N", &o->longest, 2, 4096, "text: pieces after which it is cut (default 256)"),
        option_int(0, "image-size", "N", &o->image_size, 0, 4096,
                   "images: scaled to N x N pixels (default: as they are, at most 64)"),
        option_int(0, "patch", "N", &o->patch, 0, 4096,
                   "pixels a side (of audio: bins and frames) that become one position"),
        option_int(0, "batch", "N", &o->batch, 1, 1000000, "examples of a batch"),
        option_float(0, "augment", "X", &o->augment, 0, 4,
                     "strength of what is done to examples while learning, 0: nothing"),
        option_float(0, "dropout", "P", &o->dropout, 0, 0.99, "of the layers' outputs"),
        option_float(0, "attention-dropout", "P", &o->attention_dropout, 0, 0.99, "of attention's weights"),
        option_float(0, "weight-decay", "D", &o->weight_decay, 0, 10, "AdamW's"),
        option_float(0, "rate", "R", &o->rate, 0, 10, "peak learning rate"),
        option_int(0, "warmup", "N", &o->warmup, 1, 1000000000, "steps to the peak"),
        option_float(0, "cooldown", "F", &o->cooldown, 0, 1,
                     "last fraction of the run, over which the rate falls to 0"),
        option_float(0, "average", "D", &o->average, 0, 0.9999999,
                     "save a moving average of the weights with this decay, 0: the last weights"),
        option_int(0, "epochs", "N", &o->epochs, 0, 1000000, "passes over the examples, 0: any number"),
        option_int(0, "valid-every", "N", &o->valid_every, 0, TRAIN_OPTIONS_MANY,
                   "validate after every N steps, 0: after every epoch (default 0)"),
    };
    const size_t own_count = sizeof own / sizeof *own;
    option table[sizeof own / sizeof *own + TRAIN_OPTIONS_COUNT];
    train_options_fill(table, own, own_count, o, &l->choices);
    const command_line line = {
        .command = "train classify",
        .summary = "Trains a classifier of texts, images or recordings, from labelled examples.",
        .details = details,
        .examples = "attn train classify --train reviews.tsv --model my-model\n"
                    "attn train classify --train train-images-idx3-ubyte.gz --model my-model\n"
                    "attn train classify --train photos --valid other-photos --model my-model --minutes 10\n"
                    "attn train classify --from a-bert --train reviews.tsv --model my-model\n"
                    "attn train classify --model my-model --resume",
        .options = table,
        .option_count = own_count + TRAIN_OPTIONS_COUNT,
    };
    char **operands;
    int count;
    int stop = options_parse(&line, argc, argv, &operands, &count);
    return stop >= 0 ? stop : check(&line, l);
}

int command_train_classify(int argc, char **argv)
{
    classify_line l = {0};
    int stop = parse(&l, argc, argv);
    if (stop >= 0) return stop;
    if (l.kind >= 0) l.o.task = ATTN_SEQ_TASK_CLASSIFY_TEXT + l.kind;
    l.o.arch = l.arch;
    const train_run run = {
        .command = "train classify",
        .targets = "labels",
        .train = attn_seq_train_classifier,
        .options = &l.o,
        .choices = l.choices,
    };
    if (l.cross_validate) return train_run_folds(&run, l.o.folds > 0 ? l.o.folds : 10);
    return train_run_go(&run);
}
