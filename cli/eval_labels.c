#include "eval_labels.h"

#include "failure.h"
#include "json.h"
#include "line_reader.h"
#include "spooled_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Beyond this a terminal does not hold the table; JSON has it whole. */
#define MOST_COLUMNS 16
#define MOST_CELLS 16 /* of a label */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A label as the table has it. */
typedef struct heading {
    char *text;
    int64_t cells;
} heading;

static void print_heading(const heading *h, int width)
{
    printf("%*s%s", width - (int)h->cells, "", h->text);
}

static void print_table(const heading *headings, const attn_seq_evaluation *e)
{
    const int64_t n = e->label_count;
    int width = snprintf(NULL, 0, "%" PRId64, e->count);
    for (int64_t i = 0; i < n; i++)
        if (headings[i].cells > width) width = (int)headings[i].cells;
    puts("rows: expected; columns: found");
    printf("%*s", width, "");
    for (int64_t i = 0; i < n; i++) {
        putchar(' ');
        print_heading(&headings[i], width);
    }
    putchar('\n');
    for (int64_t i = 0; i < n; i++) {
        print_heading(&headings[i], width);
        for (int64_t j = 0; j < n; j++) printf(" %*" PRId64, width, e->confusion[i * n + j]);
        putchar('\n');
    }
}

static attn_status print_confusion(const attn_seq_description *d, const attn_seq_evaluation *e)
{
    heading headings[MOST_COLUMNS] = {0};
    const int64_t n = e->label_count;
    if (n > MOST_COLUMNS) return ATTN_OK;
    attn_status s = ATTN_OK;
    for (int64_t i = 0; i < n && s == ATTN_OK; i++)
        s = attn_seq_label_fit(d->labels[i], MOST_CELLS, &headings[i].text, &headings[i].cells);
    if (s == ATTN_OK) print_table(headings, e);
    for (int64_t i = 0; i < n; i++) attn_seq_free(headings[i].text);
    return s;
}

static attn_status print_text(const attn_seq_description *d, const attn_seq_evaluation *e, double seconds)
{
    int64_t right = 0;
    for (int64_t i = 0; i < e->label_count; i++) right += e->confusion[i * e->label_count + i];
    printf("accuracy %.2f (%" PRId64 " of %" PRId64 ")\nmacro-F1 %.2f\nloss %.4f\n", e->accuracy, right, e->count,
           e->macro_f1, e->loss);
    attn_status s = print_confusion(d, e);
    printf("speed %.1f examples/s (%" PRId64 " in %.2f s, reading included)\n", (double)e->count / seconds, e->count,
           seconds);
    return s;
}

static void print_json(const attn_seq_description *d, const attn_seq_evaluation *e, double seconds)
{
    const int64_t n = e->label_count;
    printf("{\n  \"accuracy\": ");
    json_number(stdout, e->accuracy);
    printf(",\n  \"macro_f1\": ");
    json_number(stdout, e->macro_f1);
    printf(",\n  \"loss\": ");
    json_number(stdout, e->loss);
    printf(",\n  \"examples\": %" PRId64 ",\n  \"labels\": [", e->count);
    for (int64_t i = 0; i < n; i++) {
        if (i) printf(", ");
        json_string(stdout, d->labels[i]);
    }
    printf("],\n  \"confusion\": [");
    for (int64_t i = 0; i < n; i++) {
        printf(i ? ", [" : "[");
        for (int64_t j = 0; j < n; j++) printf(j ? ", %" PRId64 : "%" PRId64, e->confusion[i * n + j]);
        putchar(']');
    }
    printf("],\n  \"seconds\": ");
    json_number(stdout, seconds);
    printf("\n}\n");
}

/* The library reads examples more than once, which standard input does not give. */
static int evaluate_standard_input(const attn_seq_model *model, const char *labels_path, int threads,
                                   attn_seq_evaluation *e)
{
    char problem[160];
    line_reader *r = line_reader_open("-");
    char *path = r ? spooled_file(r, problem, sizeof problem) : NULL;
    line_reader_close(r);
    if (!path) return failure("eval", "standard input: %s", r ? problem : strerror(errno));
    int status = 0;
    if (attn_seq_classifier_evaluate(model, path, labels_path, threads, e))
        status = failure_of_library_about("eval", path, "standard input");
    unlink(path);
    free(path);
    return status;
}

static int evaluate(const attn_seq_model *model, const char *path, const char *labels_path, int threads,
                    attn_seq_evaluation *e)
{
    if (!strcmp(path, "-")) return evaluate_standard_input(model, labels_path, threads, e);
    return attn_seq_classifier_evaluate(model, path, labels_path, threads, e) ? failure_of_library("eval") : 0;
}

int eval_labels(const attn_seq_model *model, const char *path, const char *labels_path, int threads, bool json)
{
    attn_seq_description d = {.struct_size = sizeof d};
    attn_seq_evaluation e = {.struct_size = sizeof e};
    const double start = now();
    if (attn_seq_model_describe(model, &d)) return failure_of_library("eval");
    if (evaluate(model, path, labels_path, threads, &e)) return 1;
    attn_status s = ATTN_OK;
    if (json)
        print_json(&d, &e, now() - start);
    else
        s = print_text(&d, &e, now() - start);
    attn_seq_evaluation_clear(&e);
    return s == ATTN_OK ? 0 : failure_of_library("eval");
}
