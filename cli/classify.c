#include "attention_options.h"
#include "classify_print.h"
#include "classify_source.h"
#include "commands.h"
#include "failure.h"
#include "message.h"
#include "opened_model.h"
#include "options.h"
#include "writable.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct classifying {
    const char *model_name;
    int kind; /* attn_seq_input_kind or KIND_UNKNOWN */
    char **files;
    int file_count;
    attn_seq_model *model;
    attn_seq_task task;
    attn_seq_classify_options options;
    classify_form form;
    attention_output attention;
    classify_source *source;
    int64_t done, cut; /* inputs so far; those of them that were too long */
    bool failed;       /* some input was */
} classifying;

static int parse(classifying *c, int argc, char **argv)
{
    static const char *const kinds[] = {"text", "image", "audio", NULL};
    int64_t threads = 0;
    const option table[] = {
        option_string('m', "model", "DIR", &c->model_name,
                      "the model: a directory, or the name of an installed one (default: the first for the input's "
                      "kind)"),
        option_choice(0, "kind", &c->kind, kinds, "what the input is (default: as it looks)"),
        option_flag(0, "scores", &c->form.scores, "print each label's probability after a tab: LABEL:0.1234"),
        option_flag(0, "json", &c->form.json, "print an object for each input, with all probabilities"),
        option_string(0, "attention", "FILE", &c->attention.path, ATTENTION_OUTPUT_HELP),
        option_int(0, "layer", "N", &c->attention.layer, 1, 1000, ATTENTION_LAYER_HELP),
        option_int(0, "head", "N", &c->attention.head, 1, 1000, ATTENTION_HEAD_HELP),
        option_flag(0, "rollout", &c->attention.rollout, ATTENTION_ROLLOUT_HELP),
        option_int(0, "threads", "N", &threads, 0, 1024, "0: as many as attn info says"),
    };
    const command_line line = {
        .command = "classify",
        .operands = "[FILE...]",
        .most_operands = 1 << 20,
        .summary = "Tells the label of each input: one line out for each, in order.",
        .details = "Text: each line of FILE, or of standard input, gives a line with its label.\n"
                   "Images (PNG, JPEG) and sound (WAV): FILE, or each line of FILE or of standard input\n"
                   "that is a path, gives the path, a tab and the label; standard input may also be the image\n"
                   "or the recording, which is then called -. The images of an IDX file (MNIST's format,\n"
                   "plain or gzip) give a label each. What an input is, its first bytes tell.\n"
                   "\n"
                   "A line of white space alone gives an empty line. An input that cannot be read, or is of\n"
                   "another kind than the first, gives no label and a message that names it; the others go\n"
                   "on, and the exit status is 1 at the end.\n"
                   "In a path, ? stands for a tab or a line break; --json has it as it is.\n"
                   "With several inputs, FILE.png is the first one's picture, FILE-2.png the next's.",
        .examples = "echo 'A warm, funny, engaging film.' | attn classify\n"
                    "attn classify --scores seven.png eight.png\n"
                    "attn classify <three.wav\n"
                    "find scans -name '*.png' | attn classify --kind image --json\n"
                    "attn classify -m my-model --attention page.html reviews.txt",
        .options = table,
        .option_count = sizeof table / sizeof *table,
    };
    int stop = options_parse(&line, argc, argv, &c->files, &c->file_count);
    if (stop >= 0) return stop;
    if ((stop = attention_options_refuse(&line, &c->attention)) >= 0) return stop;
    c->options.attention = c->attention.path != NULL;
    c->options.threads = (int)threads;
    return -1;
}

/* A model that is named tells the kind. */
static int find_model(classifying *c, char **directory)
{
    attn_seq_task task;
    if (attn_seq_model_find(c->model_name, ATTN_SEQ_TASK_ANY, directory)) return failure_of_library("classify");
    if (attn_seq_model_task(*directory, &task)) return failure_of_library("classify");
    if (task < ATTN_SEQ_TASK_CLASSIFY_TEXT)
        return failure("classify", "%s: a model that does not classify: see attn translate and attn summarize",
                       *directory);
    c->kind = (int)(task - ATTN_SEQ_TASK_CLASSIFY_TEXT);
    return 0;
}

static int open_model(classifying *c, const char *directory)
{
    attn_seq_description d;
    if (opened_model("classify", directory, &c->model, &d)) return 1;
    c->form.labels = d.labels;
    c->form.label_count = d.label_count;
    return attention_options_check(&c->attention, &d);
}

static int open_all(classifying *c)
{
    const char *path = c->attention.path;
    if (path && strcmp(path, "-") && writable_check("classify", path)) return 1;
    char *directory = NULL;
    int kind = c->kind, status = c->model_name ? find_model(c, &directory) : 0;
    if (!status && c->model_name && kind != KIND_UNKNOWN && kind != c->kind)
        status = failure("classify", "%s: a model of another kind than --kind says", directory);
    if (!status) {
        c->source = classify_source_open("classify", c->files, c->file_count, c->kind);
        status = c->source ? 0 : 1;
    }
    if (!status) c->task = (attn_seq_task)(ATTN_SEQ_TASK_CLASSIFY_TEXT + (int)classify_source_kind(c->source));
    if (!status && !directory && attn_seq_model_find(NULL, c->task, &directory))
        status = failure_of_library("classify");
    if (!status) status = open_model(c, directory);
    attn_seq_free(directory);
    return status;
}

static void report(classifying *c, const classify_item *item, const char *message)
{
    failure("classify", "%s: %s", item->place, message);
    c->failed = true;
}

/* "positive (0.98)", as pages and pictures call the outcome. */
static int add_attention(classifying *c, const classify_item *item, const attn_seq_classification *r)
{
    char *outcome;
    if (asprintf(&outcome, "%s (%.2f)", c->form.labels[r->label], (double)r->probabilities[r->label]) < 0)
        return failure("classify", "no memory for a picture");
    const attn_seq_attended attended = {c->task, item->name ? item->name : item->place, outcome, r->attention,
                                        r->attention_count};
    int status = attention_output_add(&c->attention, &attended, c->done);
    free(outcome);
    return status;
}

static int show(classifying *c, const classify_item *item, const attn_seq_classification *r)
{
    classify_print(&c->form, item, r);
    if (item->problem) report(c, item, item->problem);
    if (r && r->status) report(c, item, r->message);
    if (r && r->cut) c->cut++;
    int status = r && c->attention.path && r->label >= 0 ? add_attention(c, item, r) : 0;
    c->done++;
    return status;
}

static void release(void *results, int64_t count)
{
    attn_seq_classifications_free(results, count);
}

static bool has_input(const classify_item *item)
{
    return !item->problem && !item->blank;
}

/* Those that could be read are classified together. */
static int classify_window(classifying *c, const classify_item *items, int64_t count)
{
    attn_seq_input *inputs = calloc((size_t)count, sizeof *inputs);
    if (!inputs) return failure("classify", "no memory for %" PRId64 " inputs", count);
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++)
        if (has_input(&items[i])) inputs[n++] = items[i].input;
    attn_seq_classification *results = NULL;
    int status = attn_seq_classify(c->model, &c->options, inputs, n, &results) ? failure_of_library("classify") : 0;
    free(inputs);
    int64_t next = 0;
    for (int64_t i = 0; i < count && !status; i++)
        status = show(c, &items[i], has_input(&items[i]) ? &results[next++] : NULL);
    if (attention_output_hold(&c->attention, results, n, release)) status = 1;
    if (status) return status;
    return failure_of_output("classify");
}

static int classify_all(classifying *c)
{
    classify_item *items;
    int64_t count = 0;
    int status = 0;
    while (!status && (count = classify_source_next(c->source, &items)) > 0) status = classify_window(c, items, count);
    if (c->cut)
        fprintf(stderr,
                "attn classify: of %" PRId64 " text%s only the beginning was read: longer than the model takes\n",
                c->cut, plural(c->cut));
    return status || count < 0;
}

int command_classify(int argc, char **argv)
{
    classifying c = {.kind = KIND_UNKNOWN, .attention = {.command = "classify", .kind = -1}};
    attn_seq_classify_options_init(&c.options);
    int stop = parse(&c, argc, argv);
    if (stop >= 0) return stop;
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone ends the work, not the process in its midst */
    int status = open_all(&c);
    if (!status) status = classify_all(&c);
    if (!status && !c.failed) status = attention_output_expect_any(&c.attention);
    if (attention_output_end(&c.attention)) status = 1;
    classify_source_close(c.source);
    attn_seq_model_close(c.model);
    return status || c.failed ? 1 : 0;
}
