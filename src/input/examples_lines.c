#include "input/examples_read.h"

#include "base/status.h"
#include "base/utf8.h"
#include "input/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool blank(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != ' ' && text[i] != '\t') return false;
    }
    return true;
}

/* A relative path, put behind the folder of the list. */
static attn_status append_path(example_list *l, const char *list, const char *label, size_t label_bytes,
                               const char *path, size_t bytes)
{
    const char *slash = strrchr(list, '/');
    size_t folder = path[0] == '/' || !slash ? 0 : (size_t)(slash + 1 - list);
    char *whole = malloc(folder + bytes + 1);
    if (!whole) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", list);
    memcpy(whole, list, folder);
    memcpy(whole + folder, path, bytes);
    attn_status s = example_list_append(l, label, label_bytes, whole, folder + bytes);
    free(whole);
    return s;
}

static attn_status append_content(example_list *l, const char *path, int64_t number, const char *label,
                                  size_t label_bytes, const char *content, size_t bytes)
{
    if (l->kind == EXAMPLES_TEXT) return example_list_append(l, label, label_bytes, content, bytes);
    example_kind kind = l->kind;
    if (!example_kind_of_name(content, bytes, &kind) || kind != l->kind)
        return status_fail(ATTN_ERROR_FORMAT, "%s:%lld: \"%.*s\", expected the path of %s", path, (long long)number,
                           (int)utf8_shown(content, 60), content,
                           l->kind == EXAMPLES_AUDIO ? "a recording: .wav" : "an image: .png, .jpg or .jpeg");
    return append_path(l, path, label, label_bytes, content, bytes);
}

static attn_status take_line(example_list *l, const char *path, int64_t number, const char *line, size_t bytes)
{
    if (blank(line, bytes)) {
        l->empty++;
        return ATTN_OK;
    }
    if (memchr(line, 0, bytes) || !utf8_valid(line, bytes)) {
        if (l->invalid++ == 0)
            snprintf(l->first_invalid, sizeof l->first_invalid, "%.200s:%lld", path, (long long)number);
        return ATTN_OK;
    }
    const char *tab = memchr(line, '\t', bytes);
    if (!tab || blank(line, (size_t)(tab - line)))
        return status_fail(ATTN_ERROR_FORMAT, "%s:%lld: no label in \"%.*s\", expected label TAB %s", path,
                           (long long)number, (int)utf8_shown(line, 60), line,
                           l->kind == EXAMPLES_TEXT ? "text" : "path");
    size_t left = bytes - (size_t)(tab + 1 - line);
    if (blank(tab + 1, left)) {
        l->empty++;
        return ATTN_OK;
    }
    return append_content(l, path, number, line, (size_t)(tab - line), tab + 1, left);
}

attn_status example_list_read_lines(example_list *l, const char *path)
{
    lines *file;
    attn_status s = lines_open(&file, path);
    if (s != ATTN_OK) return s;
    for (;;) {
        char *line;
        size_t bytes;
        s = lines_next(file, &line, &bytes);
        if (s != ATTN_OK || !line) break;
        s = take_line(l, path, lines_number(file), line, bytes);
        if (s != ATTN_OK) break;
    }
    lines_close(file);
    return s;
}
