#include "train_pairs.h"

#include "train_run.h"

#include "attn/seq.h"

#include <inttypes.h>
#include <string.h>

typedef struct train_line {
    const pairs_training *training;
    train_choices choices;
    int schedule;
} train_line;

/* The library says so too, but calls --dim width. On resuming, what is not said comes from the checkpoint,
 * with --from from that model. */
static int refuse_width(const command_line *line, const train_line *l)
{
    if (l->choices.resume || l->training->options->from) return -1;
    int64_t dim = l->training->options->width > 0 ? l->training->options->width : 256,
            heads = l->training->options->heads > 0 ? l->training->options->heads : 8;
    if (l->training->options->arch > ATTN_SEQ_ARCH_TRANSFORMER) heads = 1;
    if (dim % 2) return options_refuse(line, "--dim: %" PRId64 ", expected an even number", dim);
    if (dim % heads) return options_refuse(line, "--dim: %" PRId64 " is no multiple of --heads, %" PRId64, dim, heads);
    return -1;
}

static int parse(train_line *l, int argc, char **argv)
{
    attn_seq_train_options *o = l->training->options;
    l->schedule = -1;
    const option pairs[] = {
        option_string('t', "train", "FILE", &o->train, "pairs to learn from (required, save with --resume)"),
        option_string(0, "train-target", "FILE", &o->train_target, "their targets, where --train holds sources alone"),
        option_string('v', "valid", "FILE", &o->valid, "pairs to judge by, and to stop early by"),
        option_string(0, "valid-target", "FILE", &o->valid_target, "their targets, where --valid holds sources alone"),
        option_int(0, "vocab", "N", &o->vocabulary, 10, 1000000, "pieces, shared by both sides (default 8000)"),
        option_int(0, "dim", "N", &o->width, 2, 16384, "width of the model (default 256)"),
        option_int(0, "heads", "N", &o->heads, 1, 1024, "attention heads, a divisor of the width (default 8)"),
        option_int(0, "layers", "N", &o->layers, 1, 100,
                   "of the encoder, and as many of the decoder (default 3, recurrent 1)"),
        option_int(0, "ffn", "N", &o->ffn, 1, 65536, "width of the feed-forward layers (default 1024)"),
        option_int(0, "max-length", "N", &o->longest, 2, 4096, l->training->longest),
        option_float(0, "dropout", "P", &o->dropout, 0, 0.99, "(default 0.1, recurrent 0.2)"),
        option_int(0, "batch-tokens", "N", &o->batch_tokens, 2, 10000000,
                   "source and target tokens of a batch, padding included (default 4000)"),
        option_float(0, "rate", "R", &o->rate, 0, 10, "peak learning rate (default 0.001)"),
        option_int(0, "warmup", "N", &o->warmup, 1, 1000000000,
                   "steps to the peak; what then comes, --schedule says (default 1000)"),
        option_choice(0, "schedule", &l->schedule, train_schedule_names,
                      "root: after the warm-up the rate falls as 1/sqrt(step); flat: it stays (default root)"),
        option_float(0, "cooldown", "F", &o->cooldown, 0, 1,
                     "last fraction of the run, over which the rate falls to 0 (default 0.3)"),
        option_float(0, "average", "D", &o->average, 0, 0.9999999,
                     "save a moving average of the weights with this decay, 0: the last weights (default 0.999)"),
        option_int(0, "epochs", "N", &o->epochs, 0, 1000000, "passes over the pairs, 0: any number (default 10)"),
        option_int(0, "valid-every", "N", &o->valid_every, 1, TRAIN_OPTIONS_MANY,
                   "validate after every N steps (default 1000)"),
    };
    const size_t pairs_count = sizeof pairs / sizeof *pairs;
    option table[sizeof pairs / sizeof *pairs + TRAIN_OPTIONS_COUNT + TRAIN_PAIRS_MOST_OWN];
    train_options_fill(table, pairs, pairs_count, o, &l->choices);
    if (l->training->own_count)
        memcpy(table + pairs_count + TRAIN_OPTIONS_COUNT, l->training->own, l->training->own_count * sizeof *table);
    const command_line line = {
        .command = l->training->command,
        .summary = l->training->summary,
        .details = l->training->details,
        .examples = l->training->examples,
        .options = table,
        .option_count = pairs_count + TRAIN_OPTIONS_COUNT + l->training->own_count,
    };
    char **operands;
    int count;
    int stop = options_parse(&line, argc, argv, &operands, &count);
    if (stop >= 0) return stop;
    stop = train_options_settle(&line, o, &l->choices, "the pairs to learn from");
    if (stop >= 0) return stop;
    o->schedule = l->schedule;
    if (o->train_target && !o->train) return options_refuse(&line, "--train-target goes with --train");
    if (o->valid_target && !o->valid) return options_refuse(&line, "--valid-target goes with --valid");
    if (l->training->settle) stop = l->training->settle(&line, l->choices.resume, l->training->argument);
    return stop >= 0 ? stop : refuse_width(&line, l);
}

int train_pairs(const pairs_training *t, int argc, char **argv)
{
    train_line l = {.training = t};
    int stop = parse(&l, argc, argv);
    if (stop >= 0) return stop;
    const train_run run = {
        .command = t->command,
        .targets = "target",
        .train = t->train,
        .options = t->options,
        .choices = l.choices,
    };
    return train_run_go(&run);
}
