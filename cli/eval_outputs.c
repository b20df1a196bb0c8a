#include "eval_outputs.h"

#include "failure.h"
#include "json.h"
#include "line_reader.h"
#include "message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 2048

typedef struct output_lines {
    char **lines;
    int64_t count;
} output_lines;

static void clear(output_lines *o)
{
    for (int64_t i = 0; i < o->count; i++) free(o->lines[i]);
    free(o->lines);
}

static int add_window(output_lines *o, const read_line *lines, int64_t count)
{
    char **grown = realloc(o->lines, (size_t)(o->count + count) * sizeof *grown);
    if (!grown) return failure("eval", "no memory for %" PRId64 " lines", o->count + count);
    o->lines = grown;
    for (int64_t i = 0; i < count; i++) {
        o->lines[o->count] = read_line_string(&lines[i]);
        if (!o->lines[o->count]) return failure("eval", "no memory for a line");
        o->count++;
    }
    return 0;
}

static int read_outputs(output_lines *o, const char *path)
{
    line_reader *r = line_reader_open(path);
    if (!r) return failure("eval", "%s: %s", path, strerror(errno));
    read_line *lines = calloc(WINDOW, sizeof *lines);
    int status = lines ? 0 : failure("eval", "no memory for %d lines", WINDOW);
    int64_t count = 0;
    while (!status && (count = line_reader_next(r, lines, WINDOW)) > 0) status = add_window(o, lines, count);
    if (!status && count < 0) status = failure("eval", "%s: %s", path, line_reader_problem(r));
    free(lines);
    line_reader_close(r);
    return status;
}

/* The sources are in the order of their first pairs, whose texts they are. */
static int score(const output_lines *o, const eval_pairs *p, attn_seq_corpus_scores *scores)
{
    attn_seq_segment *segments = calloc((size_t)p->source_count, sizeof *segments);
    if (!segments) return failure("eval", "no memory for %" PRId64 " segments", p->source_count);
    for (int64_t i = 0, at = 0; i < p->source_count; i++) {
        while (p->pairs[at].source.bytes != p->sources[i].text) at++;
        segments[i] = (attn_seq_segment){o->lines[at], p->sources[i].references, p->sources[i].reference_count};
    }
    scores->struct_size = sizeof *scores;
    attn_status status = attn_seq_corpus_score(segments, p->source_count, scores);
    free(segments);
    return status ? failure_of_library("eval") : 0;
}

static void print_json(const attn_seq_corpus_scores *s)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"bleu", s->bleu},
                   {"chrf", s->chrf},
                   {"rouge_1", s->rouge_1},
                   {"rouge_2", s->rouge_2},
                   {"rouge_l", s->rouge_l}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        printf("%s  \"%s\": ", i ? ",\n" : "{\n", numbers[i].name);
        json_number(stdout, numbers[i].value);
    }
    const char *const signatures[][2] = {{"bleu_signature", s->bleu_signature},
                                         {"chrf_signature", s->chrf_signature},
                                         {"rouge_signature", s->rouge_signature}};
    for (size_t i = 0; i < 3; i++) {
        printf(",\n  \"%s\": ", signatures[i][0]);
        json_string(stdout, signatures[i][1]);
    }
    puts("\n}");
}

int eval_outputs(const char *outputs, const char *file, bool json)
{
    output_lines o = {0};
    eval_pairs pairs = {0};
    attn_seq_corpus_scores scores;
    int status = eval_pairs_read(&pairs, file) || read_outputs(&o, outputs);
    if (!status && o.count != pairs.count)
        status = failure("eval", "%s: %" PRId64 " line%s, expected %" PRId64 ", as %s has", outputs, o.count,
                         plural(o.count), pairs.count, file);
    if (!status) status = score(&o, &pairs, &scores);
    if (!status && json) print_json(&scores);
    if (!status && !json) printf("%s\n%s\n%s\n", scores.bleu_line, scores.chrf_line, scores.rouge_line);
    clear(&o);
    eval_pairs_clear(&pairs);
    return status;
}
