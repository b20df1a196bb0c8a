#include "train_options.h"

#include <string.h>

const char *const train_arch_names[] = {"transformer", "lstm", "gru", "rnn", NULL};
const char *const train_format_names[] = {"fp32", "bf16", "int8", NULL};
const char *const train_attention_names[] = {"none", "additive", "dot", "general", "concat", NULL};
const char *const train_schedule_names[] = {"root", "flat", NULL};
const char *const train_compute_names[] = {"fp32", "bf16", NULL};

void train_options_fill(option *table, const option *own, size_t own_count, attn_seq_train_options *o,
                        train_choices *choices)
{
    *choices = (train_choices){.format = -1, .compute = -1};
    const option others[TRAIN_OPTIONS_COUNT - 1] = {
        option_string(0, "from", "DIR", &o->from,
                      "fine-tune this model, or the installed one of this name: --model begins with its weights, sizes "
                      "and tokenizer"),
        option_flag(0, "resume", &choices->resume, "go on from DIR's checkpoint"),
        option_flag(0, "force", &choices->force, "begin anew even where DIR holds a model, which is lost"),
        option_float(0, "label-smoothing", "E", &o->label_smoothing, 0, 0.99, "(default 0.1)"),
        option_float(0, "clip", "X", &o->clip, 0, 1e9, "largest norm of the gradient, 0: any (default 1)"),
        option_int(0, "steps", "N", &o->steps, 0, TRAIN_OPTIONS_MANY,
                   "batches, 0: any number; more lifts the limit of epochs unless that is given too (default 0)"),
        option_float(0, "minutes", "M", &o->minutes, 0, 1e7,
                     "of work, pauses not counted, 0: any; more lifts it likewise (default 0)"),
        option_int(0, "patience", "N", &o->patience, 0, 1000000000,
                   "end after N validations without a better one, 0: never (default 10)"),
        option_int(0, "seed", "N", &o->seed, 0, INT64_C(1) << 53, "of all random numbers (default 1)"),
        option_int(0, "threads", "N", &o->threads, 0, 1024, "0: as many as attn info says (default 0)"),
        option_choice(0, "compute", &choices->compute, train_compute_names,
                      "type of the products, attention's too; bf16 needs a CPU that has it (default fp32)"),
        option_choice(0, "format", &choices->format, train_format_names,
                      "of the saved weights; int8 of recurrent networks alone (default fp32)"),
        option_flag(0, "json", &choices->json, "tell the progress as one JSON object a line, on standard output"),
        option_flag('q', "quiet", &choices->quiet, "tell nothing but failures"),
    };
    table[0] = option_string('m', "model", "DIR", &o->model, "where the model goes (required)");
    memcpy(table + 1, own, own_count * sizeof *own);
    memcpy(table + 1 + own_count, others, sizeof others);
}

int train_options_settle(const command_line *line, attn_seq_train_options *o, const train_choices *choices,
                         const char *examples)
{
    if (!o->model) return options_refuse(line, "--model DIR is missing: where the model goes");
    if (!o->train && !choices->resume) return options_refuse(line, "--train FILE is missing: %s", examples);
    if (choices->resume && choices->force)
        return options_refuse(line, "--resume goes on and --force begins anew: one of them only");
    o->format = choices->format;
    o->compute = choices->compute;
    return -1;
}
