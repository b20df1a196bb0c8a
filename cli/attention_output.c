#include "attention_output.h"

#include "colour.h"
#include "failure.h"
#include "message.h"
#include "terminal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && !strcmp(path + length - tail, ending);
}

static bool to_terminal(const attention_output *o)
{
    return !strcmp(o->path, "-");
}

/* What a page or a JSON file is made of at the end. */
static bool keeps(const attention_output *o)
{
    return o->path && (ends_with(o->path, ".html") || ends_with(o->path, ".json"));
}

struct held_results {
    void *results;
    int64_t count;
    void (*release)(void *results, int64_t count);
};

void attention_output_forget(attention_output *o)
{
    for (size_t i = 0; i < o->count; i++) {
        free((void *)o->kept[i].source);
        free((void *)o->kept[i].target);
    }
    o->count = 0;
}

int attention_output_hold(attention_output *o, void *results, int64_t count,
                          void (*release)(void *results, int64_t count))
{
    struct held_results *grown = keeps(o) ? realloc(o->held, (o->held_count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        release(results, count);
        attention_output_forget(o);
        return keeps(o) ? failure(o->command, "no memory for %s", o->path) : 0;
    }
    o->held = grown;
    o->held[o->held_count++] = (struct held_results){results, count, release};
    return 0;
}

static int keep(attention_output *o, const attn_seq_attended *input)
{
    for (size_t k = 0; k < input->attention_count; k++) {
        const attn_seq_attention *a = &input->attention[k];
        o->weights += a->layers * a->heads * a->rows * a->columns;
    }
    if (o->weights > (int64_t)1 << 27)
        return failure(o->command, "%s: too many weights for one file; take fewer or shorter inputs, or draw a .png",
                       o->path);
    if (o->count == o->capacity) {
        size_t capacity = o->capacity ? o->capacity * 2 : 16;
        attn_seq_attended *grown = realloc(o->kept, capacity * sizeof *grown);
        if (!grown) return failure(o->command, "no memory for %s", o->path);
        o->kept = grown;
        o->capacity = capacity;
    }
    attn_seq_attended *kept = &o->kept[o->count];
    *kept = *input;
    kept->source = strdup(input->source);
    kept->target = strdup(input->target);
    o->count++;
    return kept->source && kept->target ? 0 : failure(o->command, "no memory for %s", o->path);
}

/* What the rows and the columns are called. */
static const char *row_axis(const attn_seq_attended *input, const attn_seq_attention *a)
{
    if (a->kind == ATTN_SEQ_ATTENTION_POOLING) return "label";
    if (a->kind == ATTN_SEQ_ATTENTION_ENCODER) return input->task == ATTN_SEQ_TASK_TRANSLATE ? "source" : "text";
    return input->task == ATTN_SEQ_TASK_TRANSLATE ? "translation" : "summary";
}

static const char *column_axis(const attn_seq_attended *input, const attn_seq_attention *a)
{
    if (a->kind == ATTN_SEQ_ATTENTION_DECODER)
        return input->task == ATTN_SEQ_TASK_TRANSLATE ? "translation so far" : "summary so far";
    return input->task == ATTN_SEQ_TASK_TRANSLATE ? "source" : "text";
}

/* "Translation attends to source: layer 2, mean of 4 heads", ... */
static void describe(const attention_output *o, const attn_seq_attended *input, const attn_seq_attention *a,
                     char *title, size_t size)
{
    char layer[64], head[64];
    int64_t last = o->layer ? o->layer : a->layers;
    if (o->rollout)
        snprintf(layer, sizeof layer, "roll-out of layers 1 to %" PRId64, last);
    else if (o->layer)
        snprintf(layer, sizeof layer, "layer %" PRId64, o->layer);
    else
        snprintf(layer, sizeof layer, "mean of %" PRId64 " layer%s", a->layers, plural(a->layers));
    if (o->head)
        snprintf(head, sizeof head, ", head %" PRId64, o->head);
    else
        snprintf(head, sizeof head, ", mean of %" PRId64 " head%s", a->heads, plural(a->heads));
    if (a->patches)
        snprintf(title, size, "%s: %s%s", input->target, layer, o->rollout ? "" : head);
    else
        snprintf(title, size, "%c%s attends to %s: %s%s", row_axis(input, a)[0] - 'a' + 'A', row_axis(input, a) + 1,
                 a->kind == ATTN_SEQ_ATTENTION_CROSS || a->kind == ATTN_SEQ_ATTENTION_POOLING ? column_axis(input, a)
                                                                                              : "itself",
                 layer, o->rollout ? "" : head);
}

/* The first is FILE, the next FILE-2. To be freed. */
static char *numbered(const attention_output *o, int64_t id)
{
    const char *ending = strrchr(o->path, '.');
    char *path;
    if (id == 0) return strdup(o->path);
    return asprintf(&path, "%.*s-%" PRId64 "%s", (int)(ending - o->path), o->path, id + 1, ending) < 0 ? NULL : path;
}

/* The scale's end: the largest weight, rounded up to tenths, so that a mean of many heads is not all dark. */
static float scale_end(const float *weights, int64_t count)
{
    float most = 0;
    for (int64_t i = 0; i < count; i++)
        if (weights[i] > most) most = weights[i];
    float end = ceilf(most * 10) / 10;
    return end < 0.1f ? 0.1f : end > 1 ? 1 : end;
}

static int print_map(const attention_output *o, const attn_seq_heat_map *map)
{
    char *text;
    if (attn_seq_heat_map_draw(map, terminal_colours(stdout), terminal_width(stdout), &text))
        return failure_of_library(o->command);
    fputs(text, stdout);
    attn_seq_free(text);
    return 0;
}

static int draw_text(const attention_output *o, const attn_seq_attended *input, const attn_seq_attention *a,
                     const float *weights, const char *title, const char *path)
{
    attn_seq_heat_map map;
    attn_seq_heat_map_init(&map);
    map.rows = a->rows;
    map.columns = a->columns;
    map.values = weights;
    map.row_labels = a->row_labels;
    map.column_labels = a->column_labels;
    map.title = title;
    map.row_axis = row_axis(input, a);
    map.column_axis = column_axis(input, a);
    bool percentages = to_terminal(o) && terminal_colours(stdout) == ATTN_SEQ_COLOURS_NONE;
    map.high = percentages ? 1 : scale_end(weights, a->rows * a->columns);
    if (to_terminal(o)) return print_map(o, &map);
    return attn_seq_heat_map_write_png(&map, path) ? failure_of_library(o->command) : 0;
}

/* What the first position, from which the label is read, pays to each patch; the mean of all where none leads. */
static void paid_to_patches(const attn_seq_attention *a, const float *weights, float *paid)
{
    int64_t leading = a->patches->leading, rows = leading ? 1 : a->rows, patches = a->columns - leading;
    for (int64_t j = 0; j < patches; j++) {
        double sum = 0;
        for (int64_t i = 0; i < rows; i++) sum += weights[i * a->columns + leading + j];
        paid[j] = (float)(sum / (double)rows);
    }
}

/* The top row of a terminal's map is the picture's. */
static int print_patches(const attention_output *o, const attn_seq_patches *p, float *paid, const char *title)
{
    attn_seq_heat_map map;
    attn_seq_heat_map_init(&map);
    for (int64_t i = 0; p->upward && i < p->rows / 2; i++)
        for (int64_t j = 0; j < p->columns; j++) {
            float *low = &paid[i * p->columns + j], *high = &paid[(p->rows - 1 - i) * p->columns + j], kept = *low;
            *low = *high;
            *high = kept;
        }
    map.rows = p->rows;
    map.columns = p->columns;
    map.values = paid;
    map.title = title;
    map.row_axis = p->upward ? "frequency, high ones first" : NULL;
    map.column_axis = p->upward ? "time" : NULL;
    map.high = scale_end(paid, p->rows * p->columns);
    return print_map(o, &map);
}

static int draw_patches(const attention_output *o, const attn_seq_attention *a, const float *weights, const char *title,
                        const char *path)
{
    float *paid = malloc((size_t)a->columns * sizeof *paid);
    if (!paid) return failure(o->command, "no memory for a picture");
    paid_to_patches(a, weights, paid);
    int status;
    if (to_terminal(o))
        status = print_patches(o, a->patches, paid, title);
    else
        status = attn_seq_patches_write_png(a->patches, paid, title, path) ? failure_of_library(o->command) : 0;
    free(paid);
    return status;
}

/* Everything, or the one matrix that was asked for. */
static int write_array(const attention_output *o, const attn_seq_attention *a, const float *weights, const char *path)
{
    const int64_t shape[] = {a->layers, a->heads, a->rows, a->columns};
    bool one = o->rollout || o->layer || o->head;
    attn_status status = one ? attn_seq_array_write_npy(path, 2, shape + 2, weights)
                             : attn_seq_array_write_npy(path, 4, shape, a->weights);
    return status ? failure_of_library(o->command) : 0;
}

static int write_one(const attention_output *o, const attn_seq_attended *input, const attn_seq_attention *a, int64_t id)
{
    char title[300];
    describe(o, input, a, title, sizeof title);
    char *path = to_terminal(o) ? strdup("-") : numbered(o, id);
    float *weights = malloc((size_t)(a->rows * a->columns) * sizeof *weights);
    int status = 0;
    if (!path || !weights)
        status = failure(o->command, "no memory for a picture");
    else if (o->rollout ? attn_seq_attention_rollout(a, o->layer - 1, weights)
                        : attn_seq_attention_mean(a, o->layer - 1, o->head - 1, weights))
        status = failure_of_library(o->command);
    else if (ends_with(o->path, ".npy"))
        status = write_array(o, a, weights, path);
    else if (a->patches)
        status = draw_patches(o, a, weights, title, path);
    else
        status = draw_text(o, input, a, weights, title, path);
    free(path);
    free(weights);
    return status;
}

static const attn_seq_attention *choose(const attention_output *o, const attn_seq_attended *input)
{
    for (size_t k = 0; k < input->attention_count; k++)
        if (o->kind < 0 || input->attention[k].kind == (attn_seq_attention_kind)o->kind) return &input->attention[k];
    return NULL;
}

int attention_output_add(attention_output *o, const attn_seq_attended *input, int64_t id)
{
    if (!input->attention) return 0;
    const attn_seq_attention *a = choose(o, input);
    if (!a) return failure(o->command, "--attention: the model has no attention of that kind");
    o->any = true;
    return keeps(o) ? keep(o, input) : write_one(o, input, a, id);
}

int attention_output_expect_any(const attention_output *o)
{
    if (!o->path || o->any) return 0;
    if (to_terminal(o)) return failure(o->command, "there is nothing to look at");
    return failure(o->command, "there is nothing to look at: %s was not written", o->path);
}

int attention_output_end(attention_output *o)
{
    int status = 0;
    if (keeps(o) && o->count > 0) {
        bool page = ends_with(o->path, ".html");
        if (page ? attn_seq_attention_write_html(o->kept, o->count, o->path)
                 : attn_seq_attention_write_json(o->kept, o->count, o->path))
            status = failure_of_library(o->command);
    }
    attention_output_forget(o);
    free(o->kept);
    for (size_t i = 0; i < o->held_count; i++) o->held[i].release(o->held[i].results, o->held[i].count);
    free(o->held);
    return status;
}
