#include "input/examples_read.h"

#include "base/status.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *example_kind_name(example_kind kind)
{
    static const char *const names[] = {"text", "image", "recording"};
    return names[kind];
}

bool example_kind_of_name(const char *name, size_t bytes, example_kind *kind)
{
    static const struct {
        const char *ending;
        example_kind kind;
    } known[] = {
        {".wav", EXAMPLES_AUDIO}, {".png", EXAMPLES_IMAGE}, {".jpg", EXAMPLES_IMAGE}, {".jpeg", EXAMPLES_IMAGE}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t length = strlen(known[i].ending);
        if (bytes <= length || strncasecmp(name + bytes - length, known[i].ending, length) != 0) continue;
        *kind = known[i].kind;
        return true;
    }
    return false;
}

static attn_status grow(example_list *l)
{
    if (l->count < l->capacity) return ATTN_OK;
    int64_t capacity = l->capacity ? 2 * l->capacity : 1024;
    int32_t *label = realloc(l->label, (size_t)capacity * sizeof *label);
    if (label) l->label = label;
    char **content = realloc(l->content, (size_t)capacity * sizeof *content);
    if (content) l->content = content;
    if (!label || !content)
        return status_fail(ATTN_ERROR_MEMORY, "out of memory after %lld examples", (long long)l->count);
    l->capacity = capacity;
    return ATTN_OK;
}

attn_status example_list_append(example_list *l, const char *label, size_t label_bytes, const char *content,
                                size_t content_bytes)
{
    attn_status s = grow(l);
    if (s != ATTN_OK) return s;
    int64_t index = label_list_add(&l->labels, label, label_bytes);
    char *copy = content ? strndup(content, content_bytes) : NULL;
    if (index < 0 || (content && !copy)) {
        free(copy);
        return status_fail(ATTN_ERROR_MEMORY, "out of memory after %lld examples", (long long)l->count);
    }
    l->label[l->count] = (int32_t)index;
    l->content[l->count++] = copy;
    return ATTN_OK;
}

/* "a", "b", ... */
static void quote_labels(const label_list *labels, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < labels->count; i++) {
        const char *rest = i ? ", ..." : "...";
        if (at + strlen(labels->names[i]) + strlen(rest) + 5 > size) {
            snprintf(text + at, size - at, "%s", rest);
            return;
        }
        at += (size_t)snprintf(text + at, size - at, "%s\"%s\"", i ? ", " : "", labels->names[i]);
    }
}

static attn_status unknown_label(const char *name, const label_list *labels, const char *path, const char *whose)
{
    char known[200];
    quote_labels(labels, known, sizeof known);
    return status_fail(ATTN_ERROR_FORMAT,
                       "%s: label \"%.*s\" is none of the %lld that %s has: %s; give the examples these names", path,
                       (int)utf8_shown(name, 60), name, (long long)labels->count, whose, known);
}

attn_status example_list_relabel(example_list *l, char *const *names, int64_t count, const char *path,
                                 const char *whose)
{
    label_list labels = {0};
    attn_status s = label_list_copy(&labels, names, count);
    for (int64_t i = 0; s == ATTN_OK && i < l->count; i++) {
        const char *name = l->labels.names[l->label[i]];
        const int64_t index = label_list_find(&labels, name);
        if (index < 0) s = unknown_label(name, &labels, path, whose);
        l->label[i] = (int32_t)index;
    }
    label_list swap = l->labels;
    l->labels = labels;
    label_list_clear(&swap);
    return s;
}

/* Takes example i of one list over to the end of another, which has room. */
static void move(example_list *from, int64_t i, example_list *to)
{
    const int64_t size = from->width * from->height, at = to->count++;
    to->label[at] = from->label[i];
    to->content[at] = from->content[i];
    if (from->pixels) memmove(to->pixels + at * size, from->pixels + i * size, (size_t)size);
}

static attn_status make_room(example_list *l, int64_t count, bool pixels)
{
    const size_t size = (size_t)(l->width * l->height);
    l->capacity = count;
    l->label = calloc((size_t)count + 1, sizeof *l->label);
    l->content = calloc((size_t)count + 1, sizeof *l->content);
    l->pixels = pixels ? malloc((size_t)count * size + 1) : NULL;
    if (l->label && l->content && (l->pixels || !pixels)) return ATTN_OK;
    return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld examples", (long long)count);
}

attn_status example_list_hold_out(example_list *l, int64_t folds, int64_t fold, example_list *held_out)
{
    *held_out = (example_list){.kind = l->kind, .width = l->width, .height = l->height};
    attn_status s = make_room(held_out, l->count / folds + 1, l->pixels != NULL);
    if (s == ATTN_OK) s = label_list_copy(&held_out->labels, l->labels.names, l->labels.count);
    if (s != ATTN_OK) return s;
    const int64_t count = l->count;
    l->count = 0;
    for (int64_t i = 0; i < count; i++) move(l, i, i % folds == fold ? held_out : l);
    return ATTN_OK;
}

void example_list_clear(example_list *l)
{
    for (int64_t i = 0; i < l->count; i++) free(l->content[i]);
    free(l->label);
    free(l->content);
    free(l->pixels);
    label_list_clear(&l->labels);
    *l = (example_list){0};
}
