#include "input/pairs.h"

#include "base/status.h"
#include "base/utf8.h"
#include "input/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool blank(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') return false;
    }
    return true;
}

static attn_status grow(pair_texts *p)
{
    if (p->count < p->capacity) return ATTN_OK;
    int64_t capacity = p->capacity ? 2 * p->capacity : 1024;
    char **source = realloc(p->source, (size_t)capacity * sizeof *source);
    if (source) p->source = source;
    char **target = realloc(p->target, (size_t)capacity * sizeof *target);
    if (target) p->target = target;
    if (!source || !target)
        return status_fail(ATTN_ERROR_MEMORY, "out of memory after %lld pairs", (long long)p->count);
    p->capacity = capacity;
    return ATTN_OK;
}

/* Keeps, or leaves out and counts, the pair that stands at path:number. */
static attn_status add(pair_texts *p, const char *path, int64_t number, const char *source, size_t source_bytes,
                       const char *target, size_t target_bytes)
{
    if (blank(source, source_bytes) || blank(target, target_bytes)) {
        p->empty++;
        return ATTN_OK;
    }
    if (memchr(source, 0, source_bytes) || memchr(target, 0, target_bytes) || !utf8_valid(source, source_bytes) ||
        !utf8_valid(target, target_bytes)) {
        if (p->invalid++ == 0)
            snprintf(p->first_invalid, sizeof p->first_invalid, "%.200s:%lld", path, (long long)number);
        return ATTN_OK;
    }
    attn_status s = grow(p);
    if (s != ATTN_OK) return s;
    char *source_copy = strndup(source, source_bytes), *target_copy = strndup(target, target_bytes);
    if (!source_copy || !target_copy) {
        free(source_copy);
        free(target_copy);
        return status_fail(ATTN_ERROR_MEMORY, "%s:%lld: out of memory", path, (long long)number);
    }
    p->source[p->count] = source_copy;
    p->target[p->count++] = target_copy;
    return ATTN_OK;
}

static attn_status add_tsv_line(pair_texts *p, const char *path, int64_t number, const char *line, size_t bytes)
{
    if (blank(line, bytes)) {
        p->empty++;
        return ATTN_OK;
    }
    const char *tab = memchr(line, '\t', bytes);
    if (!tab)
        return status_fail(ATTN_ERROR_FORMAT, "%s:%lld: no tab in \"%.*s\", expected source TAB target", path,
                           (long long)number, (int)utf8_shown(line, 60), line);
    const char *target = tab + 1, *end = line + bytes;
    const char *next = memchr(target, '\t', (size_t)(end - target));
    return add(p, path, number, line, (size_t)(tab - line), target, (size_t)((next ? next : end) - target));
}

attn_status pair_texts_read_tsv(pair_texts *p, const char *path)
{
    lines *l;
    attn_status s = lines_open(&l, path);
    if (s != ATTN_OK) return s;
    for (;;) {
        char *line;
        size_t bytes;
        s = lines_next(l, &line, &bytes);
        if (s != ATTN_OK || !line) break;
        s = add_tsv_line(p, path, lines_number(l), line, bytes);
        if (s != ATTN_OK) break;
    }
    lines_close(l);
    return s;
}

static attn_status read_both(pair_texts *p, lines *source_lines, lines *target_lines, const char *source_path,
                             const char *target_path)
{
    for (;;) {
        char *source, *target;
        size_t source_bytes, target_bytes;
        attn_status s = lines_next(source_lines, &source, &source_bytes);
        if (s == ATTN_OK) s = lines_next(target_lines, &target, &target_bytes);
        if (s != ATTN_OK) return s;
        if (!source && !target) return ATTN_OK;
        if (!source || !target)
            return status_fail(
                ATTN_ERROR_FORMAT, "%s ends after line %lld but %s goes on, expected as many lines in both",
                source ? target_path : source_path, (long long)lines_number(source ? target_lines : source_lines),
                source ? source_path : target_path);
        s = add(p, source_path, lines_number(source_lines), source, source_bytes, target, target_bytes);
        if (s != ATTN_OK) return s;
    }
}

attn_status pair_texts_read_aligned(pair_texts *p, const char *source_path, const char *target_path)
{
    lines *source = NULL, *target = NULL;
    attn_status s = lines_open(&source, source_path);
    if (s == ATTN_OK) s = lines_open(&target, target_path);
    if (s == ATTN_OK) s = read_both(p, source, target, source_path, target_path);
    lines_close(source);
    lines_close(target);
    return s;
}

void pair_texts_clear(pair_texts *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        free(p->source[i]);
        free(p->target[i]);
    }
    free(p->source);
    free(p->target);
    memset(p, 0, sizeof *p);
}
