#include "eval_labels.h"

#include "failure.h"
#include "json.h"
#include "message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Beyond this a terminal does not hold the table; JSON has it whole. */
#define MOST_COLUMNS 16

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int width_of(const attn_seq_description *d, const attn_seq_evaluation *e)
{
    int width = snprintf(NULL, 0, "%" PRId64, e->count);
    for (int64_t i = 0; i < d->label_count; i++) {
        int length = (int)strlen(d->labels[i]);
        if (length > width) width = length < 16 ? length : 16;
    }
    return width;
}

static void print_cell(const char *text, int width)
{
    char cell[17];
    snprintf(cell, sizeof cell, "%s", text);
    for (int pad = width - (int)strlen(cell); pad > 0; pad--) putchar(' ');
    message_print_text(stdout, cell);
}

static void print_confusion(const attn_seq_description *d, const attn_seq_evaluation *e)
{
    const int64_t n = e->label_count;
    if (n > MOST_COLUMNS) return;
    const int width = width_of(d, e);
    puts("rows: expected; columns: found");
    printf("%*s", width, "");
    for (int64_t i = 0; i < n; i++) {
        putchar(' ');
        print_cell(d->labels[i], width);
    }
    putchar('\n');
    for (int64_t i = 0; i < n; i++) {
        print_cell(d->labels[i], width);
        for (int64_t j = 0; j < n; j++) printf(" %*" PRId64, width, e->confusion[i * n + j]);
        putchar('\n');
    }
}

static void print_text(const attn_seq_description *d, const attn_seq_evaluation *e, double seconds)
{
    int64_t right = 0;
    for (int64_t i = 0; i < e->label_count; i++) right += e->confusion[i * e->label_count + i];
    printf("accuracy %.2f (%" PRId64 " of %" PRId64 ")\nmacro-F1 %.2f\nloss %.4f\n", e->accuracy, right, e->count,
           e->macro_f1, e->loss);
    print_confusion(d, e);
    printf("speed %.1f examples/s (%" PRId64 " in %.2f s, reading included)\n", (double)e->count / seconds, e->count,
           seconds);
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

int eval_labels(const attn_seq_model *model, const char *path, const char *labels_path, int threads, bool json)
{
    attn_seq_description d = {.struct_size = sizeof d};
    attn_seq_evaluation e = {.struct_size = sizeof e};
    const double start = now();
    if (attn_seq_model_describe(model, &d)) return failure_of_library("eval");
    if (attn_seq_classifier_evaluate(model, path, labels_path, threads, &e)) return failure_of_library("eval");
    if (json)
        print_json(&d, &e, now() - start);
    else
        print_text(&d, &e, now() - start);
    attn_seq_evaluation_clear(&e);
    return 0;
}
