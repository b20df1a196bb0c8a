#include "translate_attention.h"

#include "colour.h"
#include "failure.h"
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

bool attention_picture_known(const char *path)
{
    return !strcmp(path, "-") || ends_with(path, ".png") || ends_with(path, ".html");
}

bool attention_picture_keeps(const attention_picture *p)
{
    return p->path && ends_with(p->path, ".html");
}

static int keep(attention_picture *p, const char *source, const attn_seq_hypothesis *h)
{
    for (int k = 0; k < 3; k++) {
        const attn_seq_attention *a = &h->attention[k];
        p->weights += a->layers * a->heads * a->rows * a->columns;
    }
    if (p->weights > (int64_t)1 << 25)
        return failure("translate",
                       "%s: too many weights for one page; translate fewer or shorter lines, or draw a .png", p->path);
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 16;
        attn_seq_attention_sentence *grown = realloc(p->sentences, capacity * sizeof *grown);
        if (!grown) return failure("translate", "no memory for the page's sentences");
        p->sentences = grown;
        p->capacity = capacity;
    }
    char *text = strdup(source);
    if (!text) return failure("translate", "no memory for the page's sentences");
    p->sentences[p->count++] = (attn_seq_attention_sentence){text, h->text, h->attention, 3};
    return 0;
}

/* "layer 2, head 1", "layer 2, mean of 4 heads", ... */
static void describe(const attention_picture *p, const attn_seq_attention *a, char *title, size_t size)
{
    static const char *const kinds[] = {"Translation attends to source", "Source attends to itself",
                                        "Translation attends to itself"};
    char layer[48], head[48];
    if (p->layer)
        snprintf(layer, sizeof layer, "layer %" PRId64, p->layer);
    else
        snprintf(layer, sizeof layer, "mean of %" PRId64 " layer%s", a->layers, a->layers == 1 ? "" : "s");
    if (p->head)
        snprintf(head, sizeof head, "head %" PRId64, p->head);
    else
        snprintf(head, sizeof head, "mean of %" PRId64 " head%s", a->heads, a->heads == 1 ? "" : "s");
    snprintf(title, size, "%s: %s, %s", kinds[a->kind], layer, head);
}

static int draw(const attention_picture *p, const attn_seq_heat_map *map, int64_t id)
{
    if (!strcmp(p->path, "-")) {
        char *text;
        if (attn_seq_heat_map_draw(map, terminal_colours(stdout), terminal_width(stdout), &text))
            return failure_of_library("translate");
        fputs(text, stdout);
        attn_seq_free(text);
        return 0;
    }
    char *numbered = NULL;
    if (id > 0 && asprintf(&numbered, "%.*s-%" PRId64 ".png", (int)strlen(p->path) - 4, p->path, id + 1) < 0)
        return failure("translate", "no memory for a path");
    attn_status status = attn_seq_heat_map_write_png(map, numbered ? numbered : p->path);
    free(numbered);
    return status ? failure_of_library("translate") : 0;
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

int attention_picture_add(attention_picture *p, const char *source, const attn_seq_hypothesis *h, int64_t id)
{
    if (!h->attention) return 0; /* an empty line */
    const attn_seq_attention *a = &h->attention[p->kind];
    bool layer = p->layer > a->layers;
    if (layer || p->head > a->heads)
        return failure("translate", "there is no %s %" PRId64 ": the model has %" PRId64 " layers of %" PRId64 " heads",
                       layer ? "layer" : "head", layer ? p->layer : p->head, a->layers, a->heads);
    if (attention_picture_keeps(p)) return keep(p, source, h);
    float *mean = malloc((size_t)(a->rows * a->columns) * sizeof *mean);
    if (!mean) return failure("translate", "no memory for a picture");
    char title[200];
    describe(p, a, title, sizeof title);
    attn_seq_heat_map map;
    attn_seq_heat_map_init(&map);
    map.rows = a->rows;
    map.columns = a->columns;
    map.values = mean;
    map.row_labels = a->row_labels;
    map.column_labels = a->column_labels;
    map.title = title;
    map.row_axis = a->kind == ATTN_SEQ_ATTENTION_ENCODER ? "source" : "translation";
    map.column_axis = a->kind == ATTN_SEQ_ATTENTION_DECODER ? "translation so far" : "source";
    int status = 0;
    if (attn_seq_attention_mean(a, p->layer - 1, p->head - 1, mean)) {
        status = failure_of_library("translate");
    } else {
        bool percentages = !strcmp(p->path, "-") && terminal_colours(stdout) == ATTN_SEQ_COLOURS_NONE;
        map.high = percentages ? 1 : scale_end(mean, a->rows * a->columns);
        status = draw(p, &map, id);
    }
    free(mean);
    return status;
}

int attention_picture_end(attention_picture *p)
{
    int status = 0;
    if (attention_picture_keeps(p) && p->count > 0 && attn_seq_attention_write_html(p->sentences, p->count, p->path))
        status = failure_of_library("translate");
    for (size_t i = 0; i < p->count; i++) free((void *)p->sentences[i].source);
    free(p->sentences);
    return status;
}
