#include "seq2seq_command.h"

#include "attention_options.h"
#include "failure.h"
#include "line_reader.h"
#include "opened_model.h"
#include "options.h"
#include "translate_print.h"
#include "writable.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 2048 /* lines that are sorted by length together */

typedef struct translating {
    const seq2seq_command *command;
    const char *model_name, *file;
    attn_seq_model *model;
    attn_seq_translate_options options;
    translate_form form;
    attention_output picture;
    line_reader *reader;
    int64_t lines; /* read so far */
    int64_t cut;   /* those of them that were too long for the model */
    bool failed;   /* some line was */
} translating;

static int parse(translating *t, int argc, char **argv)
{
    static const char *const forms[] = {"soft", "hard", NULL}, *const kinds[] = {"cross", "encoder", "decoder", NULL};
    int64_t threads = 0;
    t->form.alignment = ALIGNMENT_NONE;
    const option table[] = {
        option_string('m', "model", "DIR", &t->model_name,
                      "the model: a directory, or the name of an installed one (default: the first one for the task)"),
        option_int('b', "beam-size", "N", &t->options.beam, 1, 256,
                   "hypotheses kept at each step; 1 is greedy (default: what the model says)"),
        option_float(0, "normalize", "A", &t->options.normalize, -10, 10,
                     "rank by log-probability / length^A; 0 favours what is short (default: what the model says)"),
        option_int(0, "n-best", "N", &t->form.n_best, 1, 256,
                   "print the N best: id ||| hypothesis ||| alignment ||| features ||| score"),
        option_flag(0, "scores", &t->form.scores, "print each line's score and a tab before it"),
        option_choice(
            0, "alignment", &t->form.alignment, forms,
            "print ||| and which source word each written word comes from (hard: s-t pairs counted from 0), or "
            "its weight on each (soft)"),
        option_string(0, "attention", "FILE", &t->picture.path, ATTENTION_OUTPUT_HELP),
        option_choice(0, "attention-of", &t->picture.kind, kinds,
                      "what the .png, .npy or the terminal shows (default cross)"),
        option_int(0, "layer", "N", &t->picture.layer, 1, 1000, ATTENTION_LAYER_HELP),
        option_int(0, "head", "N", &t->picture.head, 1, 1000, ATTENTION_HEAD_HELP),
        option_flag(0, "rollout", &t->picture.rollout, ATTENTION_ROLLOUT_HELP),
        option_int(0, "threads", "N", &threads, 0, 1024, "0: as many as attn info says"),
    };
    const command_line line = {
        .command = t->command->name,
        .operands = "[FILE]",
        .most_operands = 1,
        .summary = t->command->summary,
        .details = t->command->details,
        .examples = t->command->examples,
        .options = table,
        .option_count = sizeof table / sizeof *table,
    };
    char **files;
    int count;
    int stop = options_parse(&line, argc, argv, &files, &count);
    if (stop >= 0) return stop;
    if (t->options.beam > 0 && t->form.n_best > t->options.beam)
        return options_refuse(&line, "--n-best: %" PRId64 " is more than --beam-size, %" PRId64, t->form.n_best,
                              t->options.beam);
    if ((stop = attention_options_refuse(&line, &t->picture)) >= 0) return stop;
    t->file = count ? files[0] : NULL;
    t->options.n_best = t->form.n_best ? t->form.n_best : 1;
    t->options.alignment = t->form.alignment != ALIGNMENT_NONE;
    t->options.attention = t->picture.path != NULL;
    t->options.threads = (int)threads;
    return -1;
}

static int open_all(translating *t)
{
    t->reader = line_reader_open(t->file);
    if (!t->reader) return failure_of_input(t->command->name, t->file, strerror(errno));
    if (t->picture.path && strcmp(t->picture.path, "-") && writable_check(t->command->name, t->picture.path)) return 1;
    attn_seq_description d;
    if (opened_model_found(t->command->name, t->model_name, t->command->task, &t->model, &d)) return 1;
    return attention_options_check(&t->picture, &d);
}

static void report(translating *t, int64_t line, const char *message)
{
    failure(t->command->name, "%s:%" PRId64 ": %s", line_reader_name(t->reader), line, message);
    t->failed = true;
}

static int show(translating *t, const read_line *line, const attn_seq_translation *translation, int64_t id)
{
    translate_print(&t->form, translation, id);
    if (line->too_long) report(t, id + 1, "the line is longer than 16 MB");
    if (translation->status) report(t, id + 1, translation->message);
    if (translation->cut) t->cut++;
    if (!t->picture.path || translation->count == 0) return 0;
    char *source = read_line_string(line);
    const attn_seq_hypothesis *best = &translation->hypotheses[0];
    const attn_seq_attended input = {t->command->task, source, best->text, best->attention, best->attention_count};
    int status =
        source ? attention_output_add(&t->picture, &input, id) : failure(t->command->name, "no memory for a line");
    free(source);
    return status;
}

static void release(void *translations, int64_t count)
{
    attn_seq_translations_free(translations, count);
}

static int translate_window(translating *t, const read_line *lines, attn_seq_text *texts, int64_t count)
{
    for (int64_t i = 0; i < count; i++) texts[i] = lines[i].text;
    attn_seq_translation *translations;
    if (t->command->run(t->model, &t->options, texts, count, &translations))
        return failure_of_library(t->command->name);
    int status = 0;
    for (int64_t i = 0; i < count && !status; i++) status = show(t, &lines[i], &translations[i], t->lines + i);
    t->lines += count;
    if (attention_output_hold(&t->picture, translations, count, release)) status = 1;
    if (status) return status;
    return failure_of_output(t->command->name);
}

static int translate_all(translating *t)
{
    read_line *lines = calloc(WINDOW, sizeof *lines);
    attn_seq_text *texts = calloc(WINDOW, sizeof *texts);
    int status = lines && texts ? 0 : failure(t->command->name, "no memory for %d lines", WINDOW);
    int64_t count = 0;
    while (!status && (count = line_reader_next(t->reader, lines, WINDOW)) > 0)
        status = translate_window(t, lines, texts, count);
    if (!status && count < 0)
        status = failure(t->command->name, "%s: %s", line_reader_name(t->reader), line_reader_problem(t->reader));
    free(lines);
    free(texts);
    return status;
}

static void tell_of_long_lines(const translating *t)
{
    if (t->cut)
        fprintf(stderr, "attn %s: %" PRId64 " line%s longer than the model takes: %s\n", t->command->name, t->cut,
                t->cut == 1 ? " is" : "s are", t->command->of_long_lines);
}

int seq2seq_command_run(const seq2seq_command *c, int argc, char **argv)
{
    translating t = {.command = c, .picture = {.command = c->name, .kind = -1}};
    attn_seq_translate_options_init(&t.options);
    int stop = parse(&t, argc, argv);
    if (stop >= 0) return stop;
    signal(SIGPIPE, SIG_IGN); /* a reader that has gone ends the work, not the process in its midst */
    int status = open_all(&t);
    if (!status) status = translate_all(&t);
    if (!status && !t.failed) status = attention_output_expect_any(&t.picture);
    tell_of_long_lines(&t);
    if (attention_output_end(&t.picture)) status = 1;
    attn_seq_model_close(t.model);
    line_reader_close(t.reader);
    return status || t.failed ? 1 : 0;
}
