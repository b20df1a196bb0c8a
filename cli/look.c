#include "attention_options.h"
#include "classify_source.h"
#include "commands.h"
#include "failure.h"
#include "input_kind.h"
#include "message.h"
#include "opened_model.h"
#include "options.h"
#include "writable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_INPUTS 100

/* Bytes of a text to translate, all of which is read: far more pieces than this makes have more attention weights than
 * a page can hold, which would be told only after minutes of translating. */
#define MOST_BYTES ((size_t)1 << 16)

/* Texts that are translated together, and so at once on all threads: few enough that the weights of all fit in memory
 * before a page that they are too many for is given up. */
#define TOGETHER 16
#define BYTES_TOGETHER 2048

typedef struct looking {
    const char *model_name, *input;
    int64_t beam, threads;
    attn_seq_model *model;
    attn_seq_description model_is;
    attention_output page;
    classify_source *source; /* NULL: the operand itself is the text */
    classify_item given;
    int64_t done;
    bool full; /* the page, and more would have come */
} looking;

static int parse(looking *l, int argc, char **argv)
{
    const option table[] = {
        option_string('m', "model", "DIR", &l->model_name,
                      "the model: a directory, or the name of an installed one (default: a text is translated, an "
                      "image or a recording classified, by the first installed)"),
        option_string('o', "output", "FILE", &l->page.path, "the page, a name that ends in .html"),
        option_int('b', "beam-size", "N", &l->beam, 1, 256,
                   "hypotheses kept at each step of a translation or a summary (default: the model's own)"),
        option_int(0, "threads", "N", &l->threads, 0, 1024, "0: as many as attn info says"),
    };
    const command_line line = {
        .command = "look",
        .operands = "[INPUT]",
        .most_operands = 1,
        .summary = "Writes a page on which to look at a model's attention: every layer and head.",
        .details = "INPUT is a text; or the name of a file, of lines of text, an image (PNG, JPEG) or a recording\n"
                   "(WAV); without it, or when it is -, standard input is taken. A page holds 100 inputs; it needs\n"
                   "nothing else and no network: open it in a browser. Attention weights are evidence of where the\n"
                   "model looked, not an explanation of why it decided as it did.",
        .examples = "attn look 'Where is the station?'\n"
                    "attn look -o seven.html seven.png\n"
                    "attn look -m my-classifier -o reviews.html reviews.txt",
        .options = table,
        .option_count = sizeof table / sizeof *table,
    };
    char **operands;
    int count;
    int stop = options_parse(&line, argc, argv, &operands, &count);
    if (stop >= 0) return stop;
    size_t length = strlen(l->page.path);
    if (length < 6 || strcmp(l->page.path + length - 5, ".html"))
        return options_refuse(&line, "--output: \"%s\", expected a name that ends in .html", l->page.path);
    l->input = count ? operands[0] : NULL;
    return -1;
}

/* What a model takes. */
static int kind_of(attn_seq_task task)
{
    return task < ATTN_SEQ_TASK_CLASSIFY_TEXT ? ATTN_SEQ_INPUT_TEXT : (int)(task - ATTN_SEQ_TASK_CLASSIFY_TEXT);
}

static int open_model(looking *l, attn_seq_task task)
{
    if (opened_model_found("look", l->model_name, task, &l->model, &l->model_is)) return 1;
    return attention_options_check(&l->page, &l->model_is);
}

/* One word with such an ending is a file's name, mistyped if there is no such file, and no text. */
static bool is_file_name(const char *operand)
{
    return !strpbrk(operand, " \t\n") && input_kind_of_name(operand) >= 0;
}

/* An operand that names no file is the text itself. */
static int open_source(looking *l, int kind)
{
    if (l->input && strcmp(l->input, "-") != 0 && access(l->input, F_OK)) {
        if (kind > ATTN_SEQ_INPUT_TEXT || is_file_name(l->input)) return failure("look", "%s: no such file", l->input);
        l->given.input = (attn_seq_input){.kind = ATTN_SEQ_INPUT_TEXT, .text = {l->input, strlen(l->input)}};
        l->given.name = (char *)l->input;
        l->given.place = (char *)"the text";
        return 0;
    }
    l->source = classify_source_open("look", (char **)&l->input, l->input ? 1 : 0, kind);
    return l->source ? 0 : 1;
}

static int open_all(looking *l)
{
    if (writable_check("look", l->page.path)) return 1;
    if (l->model_name && open_model(l, ATTN_SEQ_TASK_ANY)) return 1;
    if (open_source(l, l->model ? kind_of(l->model_is.task) : KIND_UNKNOWN)) return 1;
    if (l->model) return 0;
    attn_seq_input_kind kind = l->source ? classify_source_kind(l->source) : ATTN_SEQ_INPUT_TEXT;
    return open_model(l, kind == ATTN_SEQ_INPUT_TEXT ? ATTN_SEQ_TASK_TRANSLATE
                                                     : (attn_seq_task)(ATTN_SEQ_TASK_CLASSIFY_TEXT + (int)kind));
}

/* The page shows what the model had, which may be less than was given. */
static void tell_cut(const classify_item *item, const char *what)
{
    message_tell("attn look: %s: longer than the model takes: %s", item->place, what);
}

static void release_classifications(void *results, int64_t count)
{
    attn_seq_classifications_free(results, count);
}

static void release_translations(void *results, int64_t count)
{
    attn_seq_translations_free(results, count);
}

/* A label is the training data's. */
static void print_outcome(const char *outcome)
{
    message_print_text(stdout, outcome);
    putchar('\n');
}

static int classify(looking *l, const classify_item *item)
{
    attn_seq_classify_options options;
    attn_seq_classify_options_init(&options);
    options.threads = (int)l->threads;
    options.attention = true;
    attn_seq_classification *r;
    if (attn_seq_classify(l->model, &options, &item->input, 1, &r)) return failure_of_library("look");
    int status = r->status ? failure("look", "%s: %s", item->place, r->message) : 0;
    if (r->cut) tell_cut(item, "only its beginning was read");
    char *outcome = NULL;
    if (!status && r->label >= 0) {
        if (asprintf(&outcome, "%s (%.2f)", l->model_is.labels[r->label], (double)r->probabilities[r->label]) < 0)
            status = failure("look", "no memory for a page");
        const attn_seq_attended attended = {l->model_is.task, item->name ? item->name : item->place, outcome,
                                            r->attention, r->attention_count};
        if (!status) status = attention_output_add(&l->page, &attended, l->done++);
        if (!status) print_outcome(outcome);
        free(outcome);
    }
    return attention_output_hold(&l->page, r, 1, release_classifications) || status;
}

/* Adds what became of one text to the page. */
static int add_text(looking *l, const classify_item *item, const attn_seq_translation *r)
{
    const bool sums_up = l->model_is.task == ATTN_SEQ_TASK_SUMMARIZE;
    if (r->status) return failure("look", "%s: %s", item->place, r->message);
    if (r->cut) tell_cut(item, sums_up ? "only its beginning was read" : "translated in parts");
    if (r->count == 0 || !r->hypotheses->attention) return 0;
    const attn_seq_attended attended = {l->model_is.task, item->name, r->hypotheses->text, r->hypotheses->attention,
                                        r->hypotheses->attention_count};
    const int status = attention_output_add(&l->page, &attended, l->done++);
    if (!status) puts(r->hypotheses->text);
    return status;
}

static int write_texts(looking *l, const classify_item *items, int64_t count)
{
    attn_seq_translate_options options;
    attn_seq_translate_options_init(&options);
    options.beam = l->beam;
    options.threads = (int)l->threads;
    options.attention = true;
    const bool sums_up = l->model_is.task == ATTN_SEQ_TASK_SUMMARIZE;
    attn_seq_text texts[TOGETHER];
    attn_seq_translation *results;
    for (int64_t i = 0; i < count; i++) texts[i] = items[i].input.text;
    if ((sums_up ? attn_seq_summarize : attn_seq_translate)(l->model, &options, texts, count, &results))
        return failure_of_library("look");
    int status = 0;
    for (int64_t i = 0; i < count && !status; i++) status = add_text(l, &items[i], &results[i]);
    return attention_output_hold(&l->page, results, count, release_translations) || status;
}

/* More would be too many to choose from: what was looked at is not thrown away for them. */
static bool page_is_full(looking *l, const classify_item *item)
{
    l->full = l->done >= MOST_INPUTS;
    if (l->full)
        message_tell("attn look: %s: the page holds the %d inputs before this one, and no more", item->place,
                     MOST_INPUTS);
    return l->full;
}

/* Why it cannot be looked at, told; 0 where it can. */
static int refuse(const looking *l, const classify_item *item)
{
    if (item->problem) return failure("look", "%s: %s", item->place, item->problem);
    if (l->model_is.task == ATTN_SEQ_TASK_TRANSLATE && item->input.text.length > MOST_BYTES)
        return failure("look", "%s: %zu bytes, expected at most %zu: longer ones have too many weights for a page",
                       item->place, item->input.text.length, MOST_BYTES);
    return 0;
}

/* How many of these items are looked at together: one, or texts that are short. */
static int64_t together(const looking *l, const classify_item *items, int64_t count)
{
    size_t bytes = items[0].input.text.length;
    int64_t n = 1;
    const int64_t room = MOST_INPUTS - l->done, most = room < TOGETHER ? room : TOGETHER;
    if (l->model_is.task >= ATTN_SEQ_TASK_CLASSIFY_TEXT) return 1;
    while (n < count && n < most && !items[n].blank && !items[n].problem) {
        bytes += items[n].input.text.length;
        if (bytes > BYTES_TOGETHER) break;
        n++;
    }
    return n;
}

static int look_at(looking *l, const classify_item *items, int64_t count)
{
    for (int64_t i = 0, n = 1; i < count; i += n, n = 1) {
        if (items[i].blank) continue;
        if (page_is_full(l, &items[i])) return 0;
        if (refuse(l, &items[i])) return 1;
        n = together(l, items + i, count - i);
        if (l->model_is.task < ATTN_SEQ_TASK_CLASSIFY_TEXT ? write_texts(l, items + i, n) : classify(l, &items[i]))
            return 1;
    }
    return 0;
}

static int look_at_all(looking *l)
{
    if (!l->source) return look_at(l, &l->given, 1);
    classify_item *items;
    int64_t count;
    while ((count = classify_source_next(l->source, &items)) > 0) {
        if (look_at(l, items, count)) return 1;
        if (l->full) return 0;
    }
    return count < 0;
}

int command_look(int argc, char **argv)
{
    looking l = {.page = {.command = "look", .path = "look.html", .kind = -1}};
    int stop = parse(&l, argc, argv);
    if (stop >= 0) return stop;
    int status = open_all(&l);
    if (!status) status = look_at_all(&l);
    if (!status) status = attention_output_expect_any(&l.page);
    if (status) attention_output_forget(&l.page);
    if (attention_output_end(&l.page)) status = 1;
    if (!status) message_tell("attn look: open %s in a browser", l.page.path);
    classify_source_close(l.source);
    attn_seq_model_close(l.model);
    return status;
}
