#include "commands.h"
#include "failure.h"
#include "line_reader.h"
#include "opened_model.h"
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 2048 /* pairs that are sorted by length together */

typedef struct scoring {
    const char *model_name, *file;
    bool tokens;
    int64_t threads;
    attn_seq_model *model;
    line_reader *reader;
    read_line lines[WINDOW];
    attn_seq_pair pairs[WINDOW];
    attn_seq_pair_score scores[WINDOW];
    int64_t line; /* read so far */
    bool failed;  /* some line was */
} scoring;

static int parse(scoring *s, int argc, char **argv)
{
    const option table[] = {
        option_string('m', "model", "DIR", &s->model_name,
                      "the model: a directory, or the name of an installed one (default: the first installed)"),
        option_flag(0, "tokens", &s->tokens,
                    "print the number of the target's pieces, </s> among them, as a second field"),
        option_int(0, "threads", "N", &s->threads, 0, 1024, "0: as many as attn info says"),
    };
    const command_line line = {
        .command = "score",
        .operands = "[FILE]",
        .most_operands = 1,
        .summary = "For each line SOURCE TAB TARGET of FILE, or of standard input, prints the natural\n"
                   "log-probability of the target given the source, its pieces and </s> summed.",
        .details = "Further tab-separated fields are not looked at. A line that cannot be scored gives nan and a\n"
                   "message that names it; the others go on, and the exit status is 1 at the end.",
        .examples = "printf 'Thank you.\\tMerci.\\n' | attn score\n"
                    "attn score -m my-model pairs.tsv",
        .options = table,
        .option_count = sizeof table / sizeof *table,
    };
    char **files;
    int count;
    int stop = options_parse(&line, argc, argv, &files, &count);
    if (stop >= 0) return stop;
    s->file = count ? files[0] : NULL;
    return -1;
}

static int open_all(scoring *s)
{
    s->reader = line_reader_open(s->file);
    if (!s->reader) return failure("score", "%s: %s", s->file, strerror(errno));
    attn_seq_description d;
    const attn_seq_task task = s->model_name ? ATTN_SEQ_TASK_ANY : ATTN_SEQ_TASK_TRANSLATE;
    return opened_model_found("score", s->model_name, task, &s->model, &d);
}

/* NULL, or what is wrong with the line. */
static const char *split(const read_line *line, attn_seq_pair *pair)
{
    *pair = (attn_seq_pair){{"", 0}, {"", 0}};
    if (line->too_long) return "the line is longer than 16 MB";
    const char *tab = memchr(line->text.bytes, '\t', line->text.length);
    if (!tab) return "expected SOURCE TAB TARGET, found no tab";
    size_t source = (size_t)(tab - line->text.bytes), rest = line->text.length - source - 1;
    const char *next = memchr(tab + 1, '\t', rest);
    pair->source = (attn_seq_text){line->text.bytes, source};
    pair->target = (attn_seq_text){tab + 1, next ? (size_t)(next - tab - 1) : rest};
    return NULL;
}

static void print_score(scoring *s, int64_t i, const char *problem)
{
    const attn_seq_pair_score *score = &s->scores[i];
    if (!problem && score->status) problem = score->message;
    if (problem)
        fputs("nan", stdout);
    else
        printf("%.6f", score->log_probability);
    if (s->tokens) printf("\t%" PRId64, problem ? 0 : score->tokens);
    putchar('\n');
    if (!problem) return;
    failure("score", "%s:%" PRId64 ": %s", line_reader_name(s->reader), s->line + i + 1, problem);
    s->failed = true;
}

static int score_window(scoring *s, int64_t count)
{
    const char *problems[WINDOW];
    for (int64_t i = 0; i < count; i++) problems[i] = split(&s->lines[i], &s->pairs[i]);
    if (attn_seq_score(s->model, s->pairs, count, (int)s->threads, s->scores)) return failure_of_library("score");
    for (int64_t i = 0; i < count; i++) print_score(s, i, problems[i]);
    s->line += count;
    return failure_of_output("score");
}

static int score_all(scoring *s)
{
    int64_t count;
    while ((count = line_reader_next(s->reader, s->lines, WINDOW)) > 0) {
        if (score_window(s, count)) return 1;
    }
    if (count < 0) return failure("score", "%s: %s", line_reader_name(s->reader), line_reader_problem(s->reader));
    return s->failed;
}

int command_score(int argc, char **argv)
{
    scoring *s = calloc(1, sizeof *s);
    if (!s) return failure("score", "no memory for %d lines", WINDOW);
    int status = parse(s, argc, argv);
    if (status < 0) {
        signal(SIGPIPE, SIG_IGN); /* a reader that has gone ends the work, not the process in its midst */
        status = open_all(s);
        if (!status) status = score_all(s);
    }
    attn_seq_model_close(s->model);
    line_reader_close(s->reader);
    free(s);
    return status;
}
