#include "colour.h"
#include "commands.h"
#include "failure.h"
#include "json.h"
#include "message.h"
#include "options.h"

#include "attn/attn.h"
#include "attn/seq.h"

#include <stdlib.h>
#include <string.h>

typedef struct facts {
    char dense[64];
    const char *asked, *asked_threads; /* ATTN_CPU and OMP_NUM_THREADS in the environment; NULL: not set */
    char **models;                     /* directories, NULL after the last */
} facts;

static const char *const task_names[] = {"translate", "summarize", "classify text", "classify images",
                                         "classify audio"};

static void row(const char *name)
{
    printf("%s%-14s%s", colour(stdout, COLOUR_STRONG), name, colour(stdout, COLOUR_PLAIN));
}

static void print_description(const attn_seq_description *d)
{
    message_print_text(stdout, d->directory);
    printf(": %s (%s), %.1f million weights, width %lld, ", task_names[d->task], d->architecture,
           (double)d->parameters / 1e6, (long long)d->width);
    if (d->label_count > 0)
        printf("%lld layer%s, %lld label%s", (long long)d->encoder_layers, plural(d->encoder_layers),
               (long long)d->label_count, plural(d->label_count));
    else
        printf("%lld + %lld layers", (long long)d->encoder_layers, (long long)d->decoder_layers);
    if (d->unused_weights) {
        printf("; without a place in config.json: %lld of its weights, ", (long long)d->unused_weights);
        message_print_text(stdout, d->first_unused);
    }
    putchar('\n');
}

/* Opens the model, which also tells whether its files are sound. */
static void print_model(const char *directory)
{
    attn_seq_model *model;
    attn_seq_description d = {.struct_size = sizeof d};
    if (attn_seq_model_open(&model, directory) != ATTN_OK) {
        message_print_text(stdout, attn_seq_error());
        putchar('\n');
        return;
    }
    if (attn_seq_model_describe(model, &d) == ATTN_OK) print_description(&d);
    attn_seq_model_close(model);
}

/* Whether the library takes the number of threads from there: the first one of a list. */
static bool heeds(const char *asked)
{
    char *end;
    const long threads = strtol(asked, &end, 10);
    end += strspn(end, " \t");
    return (!*end || *end == ',') && threads == attn_seq_threads();
}

static void print_threads(const char *asked)
{
    row("threads");
    printf("%d", attn_seq_threads());
    if (asked && *asked) {
        fputs(" (OMP_NUM_THREADS=", stdout);
        message_print_text(stdout, asked);
        fputs(heeds(asked) ? ")" : ", expected 1 to 1024)", stdout);
    }
    putchar('\n');
}

static void print_words(const facts *f)
{
    row("attn");
    puts(attn_version());
    row("processor");
    puts(*attn_cpu_name() ? attn_cpu_name() : "unknown");
    row("instructions");
    printf("%s found, %s used", attn_cpu_found(), attn_cpu_used());
    if (f->asked) {
        bool known = strcmp(attn_cpu_used(), "none") != 0;
        fputs(" (ATTN_CPU=", stdout);
        message_print_text(stdout, f->asked);
        fputs(known ? ")" : ", expected one that attn help info names)", stdout);
    }
    putchar('\n');
    print_threads(f->asked_threads);
    row("products");
    puts(f->dense);
    row("models");
    if (!*f->models) puts("none found; ATTN_MODELS names directories that hold some");
    for (char **m = f->models; *m; m++) {
        if (m != f->models) printf("%14s", "");
        print_model(*m);
    }
}

static void print_number(const char *name, int64_t number)
{
    printf(", \"%s\": %lld", name, (long long)number);
}

static void print_string(const char *name, const char *text)
{
    printf(", \"%s\": ", name);
    if (text)
        json_string(stdout, text);
    else
        fputs("null", stdout);
}

static void print_description_json(const attn_seq_description *d)
{
    print_string("task", task_names[d->task]);
    print_string("architecture", d->architecture);
    print_number("parameters", d->parameters);
    print_number("width", d->width);
    print_number("encoder_layers", d->encoder_layers);
    print_number("decoder_layers", d->decoder_layers);
    print_number("labels", d->label_count);
    print_number("unused_weights", d->unused_weights);
}

/* Where the directory holds no model that can be run, task is null and error says why. */
static void print_model_json(const char *directory)
{
    attn_seq_model *model;
    attn_seq_description d = {.struct_size = sizeof d};
    fputs("{\"directory\": ", stdout);
    json_string(stdout, directory);
    if (attn_seq_model_open(&model, directory) != ATTN_OK) {
        print_string("task", NULL);
        print_string("error", attn_seq_error());
    } else {
        if (attn_seq_model_describe(model, &d) == ATTN_OK) print_description_json(&d);
        attn_seq_model_close(model);
    }
    putchar('}');
}

static void print_json(const facts *f)
{
    fputs("{\"version\": ", stdout);
    json_string(stdout, attn_version());
    print_string("processor", attn_cpu_name());
    print_string("instructions_found", attn_cpu_found());
    print_string("instructions_used", attn_cpu_used());
    print_string("ATTN_CPU", f->asked);
    print_number("threads", attn_seq_threads());
    print_string("OMP_NUM_THREADS", f->asked_threads);
    print_string("products", f->dense);
    fputs(", \"models\": [", stdout);
    for (char **m = f->models; *m; m++) {
        if (m != f->models) fputs(", ", stdout);
        print_model_json(*m);
    }
    puts("]}");
}

int command_info(int argc, char **argv)
{
    bool json = false;
    const option table[] = {option_flag(0, "json", &json, "print the same as JSON")};
    const command_line line = {
        .command = "info",
        .summary = "Tells what attn found on this machine: processor, instruction sets, threads, models.",
        .details = "ATTN_CPU=scalar, avx2, avx512, avx512bf16 or amx (on aarch64 scalar or neon) caps the\n"
                   "instructions that are used.\n"
                   "OMP_NUM_THREADS=N is how many threads are used where --threads does not say; else as\n"
                   "many as there are processors for this process.\n"
                   "ATTN_MODELS names directories of models, separated by colons.",
        .options = table,
        .option_count = sizeof table / sizeof *table,
    };
    char **operands;
    int count;
    int stop = options_parse(&line, argc, argv, &operands, &count);
    if (stop >= 0) return stop;
    facts f = {.asked = getenv("ATTN_CPU"), .asked_threads = getenv("OMP_NUM_THREADS")};
    attn_seq_dense_library(f.dense, sizeof f.dense);
    if (attn_seq_models_list(&f.models) != ATTN_OK) return failure_of_library("info");
    if (json)
        print_json(&f);
    else
        print_words(&f);
    attn_seq_free(f.models);
    return 0;
}
