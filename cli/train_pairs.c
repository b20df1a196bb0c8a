#include "train_pairs.h"

#include "train_run.h"

#include "attn/seq.h"

#include <inttypes.h>
#include <string.h>

static const char *const number_names[] = {"fp32", "bf16", NULL};
static const char *const schedule_names[] = {"root", "flat", NULL};

typedef struct train_line {
    const pairs_training *training;
    int format, compute, schedule;
    bool resume, force, json, quiet;
} train_line;

/* The library says so too, but calls --dim width. On resuming, what is not said comes from the checkpoint. */
static int refuse_width(const command_line *line, const train_line *l)
{
    if (l->resume) return -1;
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
    l->format = l->compute = l->schedule = -1;
    const int64_t many = INT64_C(1000000000000000);
    const option common[] = {
        option_string('m', "model", "DIR", &o->model, "where the model goes (required)"),
        option_string('t', "train", "FILE", &o->train, "pairs to learn from (required, save with --resume)"),
        option_string(0, "train-target", "FILE", &o->train_target, "their targets, where --train holds sources alone"),
        option_string('v', "valid", "FILE", &o->valid, "pairs to judge by, and to stop early by"),
        option_string(0, "valid-target", "FILE", &o->valid_target, "their targets, where --valid holds sources alone"),
        option_flag(0, "resume", &l->resume, "go on from DIR's checkpoint"),
        option_flag(0, "force", &l->force, "begin anew even where DIR holds a model, which is lost"),
        option_int(0, "vocab", "N", &o->vocabulary, 10, 1000000, "pieces, shared by both sides (default 8000)"),
        option_int(0, "dim", "N", &o->width, 2, 16384, "width of the model (default 256)"),
        option_int(0, "heads", "N", &o->heads, 1, 1024, "attention heads, a divisor of the width (default 8)"),
        option_int(0, "layers", "N", &o->layers, 1, 100,
                   "of the encoder, and as many of the decoder (default 3, recurrent 1)"),
        option_int(0, "ffn", "N", &o->ffn, 1, 65536, "width of the feed-forward layers (default 1024)"),
        option_int(0, "max-length", "N", &o->longest, 2, 4096, l->training->longest),
        option_float(0, "dropout", "P", &o->dropout, 0, 0.99, "(default 0.1, recurrent 0.2)"),
        option_float(0, "label-smoothing", "E", &o->label_smoothing, 0, 0.99, "(default 0.1)"),
        option_int(0, "batch-tokens", "N", &o->batch_tokens, 2, 10000000,
                   "source and target tokens of a batch, padding included (default 4000)"),
        option_float(0, "rate", "R", &o->rate, 0, 10, "peak learning rate (default 0.001)"),
        option_int(0, "warmup", "N", &o->warmup, 1, 1000000000,
                   "steps to the peak; what then comes, --schedule says (default 1000)"),
        option_choice(0, "schedule", &l->schedule, schedule_names,
                      "root: after the warm-up the rate falls as 1/sqrt(step); flat: it stays (default root)"),
        option_float(0, "cooldown", "F", &o->cooldown, 0, 1,
                     "last fraction of the run, over which the rate falls to 0 (default 0.3)"),
        option_float(0, "clip", "X", &o->clip, 0, 1e9, "largest norm of the gradient, 0: any (default 1)"),
        option_float(0, "average", "D", &o->average, 0, 0.9999999,
                     "save a moving average of the weights with this decay, 0: the last weights (default 0.999)"),
        option_int(0, "epochs", "N", &o->epochs, 0, 1000000, "passes over the pairs (default 10)"),
        option_int(0, "steps", "N", &o->steps, 0, many, "batches; lifts the limit of epochs unless that is given too"),
        option_float(0, "minutes", "M", &o->minutes, 0, 1e7, "of work, pauses not counted; lifts it likewise"),
        option_int(0, "valid-every", "N", &o->valid_every, 1, many, "validate after every N steps (default 1000)"),
        option_int(0, "patience", "N", &o->patience, 0, 1000000000,
                   "end after N validations without a better one, 0: never (default 10)"),
        option_int(0, "seed", "N", &o->seed, 0, INT64_C(1) << 53, "of all random numbers (default 1)"),
        option_int(0, "threads", "N", &o->threads, 0, 1024,
                   "0: as many as there are processors for this process (default 0)"),
        option_choice(0, "compute", &l->compute, number_names,
                      "type of the products; bf16 needs a CPU that has them (default fp32)"),
        option_choice(0, "format", &l->format, number_names, "of the saved weights (default fp32)"),
        option_flag(0, "json", &l->json, "tell the progress as one JSON object a line, on standard output"),
        option_flag('q', "quiet", &l->quiet, "tell nothing but failures"),
    };
    const size_t count_common = sizeof common / sizeof *common;
    option table[sizeof common / sizeof *common + TRAIN_PAIRS_MOST_OWN];
    memcpy(table, common, sizeof common);
    if (l->training->own_count) memcpy(table + count_common, l->training->own, l->training->own_count * sizeof *table);
    const command_line line = {
        .command = l->training->command,
        .summary = l->training->summary,
        .details = l->training->details,
        .examples = l->training->examples,
        .options = table,
        .option_count = count_common + l->training->own_count,
    };
    char **operands;
    int count;
    int stop = options_parse(&line, argc, argv, &operands, &count);
    if (stop >= 0) return stop;
    if (!o->model) return options_refuse(&line, "--model DIR is missing: where the model goes");
    if (!o->train && !l->resume) return options_refuse(&line, "--train FILE is missing: the pairs to learn from");
    if (l->resume && l->force)
        return options_refuse(&line, "--resume goes on and --force begins anew: one of them only");
    if (o->train_target && !o->train) return options_refuse(&line, "--train-target goes with --train");
    if (o->valid_target && !o->valid) return options_refuse(&line, "--valid-target goes with --valid");
    if (l->training->settle) stop = l->training->settle(&line, l->resume, l->training->argument);
    return stop >= 0 ? stop : refuse_width(&line, l);
}

int train_pairs(const pairs_training *t, int argc, char **argv)
{
    train_line l = {.training = t};
    int stop = parse(&l, argc, argv);
    if (stop >= 0) return stop;
    t->options->format = l.format;
    t->options->compute = l.compute;
    t->options->schedule = l.schedule;
    const train_run run = {
        .command = t->command,
        .use = t->use,
        .train = t->train,
        .options = t->options,
        .resume = l.resume,
        .force = l.force,
        .json = l.json,
        .quiet = l.quiet,
    };
    return train_run_go(&run);
}
