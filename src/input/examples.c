#include "input/examples_read.h"

#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>

const char *example_kind_name(example_kind kind)
{
    static const char *const names[] = {"text", "image", "audio"};
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

static bool is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* What an IDX file begins with: two zeros, the type of the elements, the rank. */
#define IDX_BEGINNING 4

/* The first bytes of a file, plain or gzip; how many to *count. */
static attn_status read_beginning(const char *path, char *bytes, int most, int *count)
{
    errno = 0;
    gzFile f = gzopen(path, "rb");
    if (!f) return status_fail(ATTN_ERROR_FILE, "%s: cannot open it: %s", path, strerror(errno ? errno : ENOMEM));
    *count = gzread(f, bytes, (unsigned)most);
    attn_status s = *count < 0 ? status_fail(ATTN_ERROR_FILE, "%s: cannot read it", path) : ATTN_OK;
    gzclose(f);
    return s;
}

static bool is_idx(const char *bytes, int count)
{
    return count >= IDX_BEGINNING && bytes[0] == 0 && bytes[1] == 0 && bytes[2] >= 8 && bytes[2] <= 14;
}

/* A first line that ends in the name of an image or a recording makes the file a list of them. */
static example_kind kind_of_lines(const char *bytes, int count)
{
    const char *end = memchr(bytes, '\n', (size_t)count);
    size_t length = end ? (size_t)(end - bytes) : (size_t)count;
    if (length > 0 && bytes[length - 1] == '\r') length--;
    example_kind kind;
    return memchr(bytes, '\t', length) && example_kind_of_name(bytes, length, &kind) ? kind : EXAMPLES_TEXT;
}

attn_status example_kind_of(const char *path, example_kind *kind)
{
    if (is_folder(path)) return example_folder_kind(path, kind);
    char bytes[8192];
    int count = 0;
    attn_status s = read_beginning(path, bytes, sizeof bytes, &count);
    if (s != ATTN_OK) return s;
    *kind = is_idx(bytes, count) ? EXAMPLES_IMAGE : kind_of_lines(bytes, count);
    return ATTN_OK;
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

static attn_status sort_labels(example_list *l)
{
    int64_t *place = malloc(((size_t)l->labels.count + 1) * sizeof *place);
    if (!place) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld labels", (long long)l->labels.count);
    attn_status s = label_list_sort(&l->labels, place);
    for (int64_t i = 0; s == ATTN_OK && i < l->count; i++) l->label[i] = (int32_t)place[l->label[i]];
    free(place);
    return s;
}

static attn_status read_file(example_list *l, const char *path, const char *labels_path)
{
    char bytes[IDX_BEGINNING];
    int count = 0;
    attn_status s = read_beginning(path, bytes, sizeof bytes, &count);
    if (s != ATTN_OK) return s;
    if (is_idx(bytes, count)) return example_list_read_idx(l, path, labels_path);
    return example_list_read_lines(l, path);
}

attn_status example_list_read(example_list *out, const char *path, const char *labels_path, example_kind kind)
{
    memset(out, 0, sizeof *out);
    out->kind = kind;
    attn_status s = is_folder(path) ? example_list_read_folder(out, path) : read_file(out, path, labels_path);
    if (s == ATTN_OK && out->count == 0 && out->invalid > 0)
        s = status_fail(ATTN_ERROR_FORMAT, "%s: invalid UTF-8 or a NUL byte, as in every line", out->first_invalid);
    else if (s == ATTN_OK && out->count == 0)
        s = status_fail(ATTN_ERROR_FORMAT, "%s: no examples of %s in it", path, example_kind_name(kind));
    return s == ATTN_OK ? sort_labels(out) : s;
}

static attn_status copy_labels(label_list *to, const label_list *from)
{
    for (int64_t i = 0; i < from->count; i++) {
        if (label_list_add(to, from->names[i], strlen(from->names[i])) < 0)
            return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld labels", (long long)from->count);
    }
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
                       "%s: label \"%.60s\" is none of the %lld that %s has: %s; give the examples these names", path,
                       name, (long long)labels->count, whose, known);
}

attn_status example_list_relabel(example_list *l, const label_list *labels, const char *path, const char *whose)
{
    for (int64_t i = 0; i < l->count; i++) {
        const char *name = l->labels.names[l->label[i]];
        int64_t index = label_list_find(labels, name);
        if (index < 0) return unknown_label(name, labels, path, whose);
        l->label[i] = (int32_t)index;
    }
    label_list_clear(&l->labels);
    return copy_labels(&l->labels, labels);
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
    if (s == ATTN_OK) s = copy_labels(&held_out->labels, &l->labels);
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
