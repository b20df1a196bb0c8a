#include "eval_pairs.h"

#include "failure.h"
#include "text_source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All of the file and a NUL; NULL when reading fails or memory is short, with errno set or the source's problem. */
static char *read_all(text_source *f, size_t *length)
{
    size_t capacity = 1 << 16;
    char *text = malloc(capacity);
    *length = 0;
    while (text) {
        if (capacity - *length < 2) {
            char *grown = capacity > SIZE_MAX / 2 ? NULL : realloc(text, capacity *= 2);
            if (!grown) break;
            text = grown;
        }
        ssize_t got = text_source_read(f, text + *length, capacity - *length - 1);
        if (got < 0) break;
        *length += (size_t)got;
        text[*length] = 0;
        if (got == 0) return text;
    }
    free(text);
    return NULL;
}

static int add_pair(eval_pairs *p, char *line, size_t length, const char *path, int64_t number)
{
    if (memchr(line, 0, length)) return failure("eval", "%s:%" PRId64 ": the line holds a NUL byte", path, number);
    char *tab = memchr(line, '\t', length);
    if (!tab) return failure("eval", "%s:%" PRId64 ": expected SOURCE TAB TARGET, found no tab", path, number);
    if (p->count == p->capacity) {
        int64_t capacity = p->capacity ? p->capacity * 2 : 1024;
        attn_seq_pair *grown = realloc(p->pairs, (size_t)capacity * sizeof *grown);
        if (!grown) return failure("eval", "no memory for %" PRId64 " pairs", capacity);
        p->pairs = grown;
        p->capacity = capacity;
    }
    line[length] = 0;
    *tab = 0;
    char *target = tab + 1;
    target[strcspn(target, "\t\r")] = 0;
    p->pairs[p->count++] = (attn_seq_pair){{line, (size_t)(tab - line)}, {target, strlen(target)}};
    return 0;
}

static int split(eval_pairs *p, size_t length, const char *path)
{
    int64_t number = 0;
    for (char *line = p->text, *end = p->text + length; line < end;) {
        char *feed = memchr(line, '\n', (size_t)(end - line));
        size_t bytes = feed ? (size_t)(feed - line) : (size_t)(end - line);
        if (add_pair(p, line, bytes, path, ++number)) return 1;
        line += bytes + 1;
    }
    return p->count ? 0 : failure("eval", "%s: no pairs", path);
}

/* By source, equal ones by position. */
static int by_source(const void *a, const void *b)
{
    const attn_seq_pair *x = *(const attn_seq_pair *const *)a, *y = *(const attn_seq_pair *const *)b;
    int order = strcmp(x->source.bytes, y->source.bytes);
    return order ? order : x < y ? -1 : x > y;
}

static int by_first_reference(const void *a, const void *b)
{
    const eval_source *x = a, *y = b;
    return x->references[0] < y->references[0] ? -1 : x->references[0] > y->references[0];
}

static int group(eval_pairs *p)
{
    const attn_seq_pair **sorted = calloc((size_t)p->count, sizeof *sorted);
    p->sources = calloc((size_t)p->count, sizeof *p->sources);
    p->references = calloc((size_t)p->count, sizeof *p->references);
    if (!sorted || !p->sources || !p->references) {
        free(sorted);
        return failure("eval", "no memory for %" PRId64 " pairs", p->count);
    }
    for (int64_t i = 0; i < p->count; i++) sorted[i] = &p->pairs[i];
    qsort(sorted, (size_t)p->count, sizeof *sorted, by_source);
    for (int64_t i = 0; i < p->count; i++) {
        const char *text = sorted[i]->source.bytes;
        p->references[i] = sorted[i]->target.bytes;
        if (i == 0 || strcmp(text, sorted[i - 1]->source.bytes))
            p->sources[p->source_count++] = (eval_source){text, &p->references[i], 0};
        p->sources[p->source_count - 1].reference_count++;
    }
    free(sorted);
    /* References point into the file's text, so their addresses are in its order. */
    qsort(p->sources, (size_t)p->source_count, sizeof *p->sources, by_first_reference);
    return 0;
}

int eval_pairs_read(eval_pairs *out, const char *path)
{
    *out = (eval_pairs){0};
    text_source *f = text_source_open(path);
    const char *name = strcmp(path, "-") != 0 ? path : "standard input";
    if (!f) return failure("eval", "%s: %s", name, strerror(errno));
    size_t length;
    out->text = read_all(f, &length);
    if (!out->text) failure("eval", "%s: %s", name, text_source_problem(f));
    text_source_close(f);
    if (!out->text) return 1;
    return split(out, length, name) || group(out);
}

void eval_pairs_clear(eval_pairs *p)
{
    free(p->text);
    free(p->pairs);
    free(p->sources);
    free(p->references);
}
