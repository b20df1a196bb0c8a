#include "input/lines.h"

#include "base/status.h"
#include "formats/gzip_end.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define CHUNK ((size_t)1 << 18)

/* A line longer than this is no sentence: a binary file, or a gzip bomb. */
#define LONGEST_LINE ((size_t)1 << 26)

/* buffer: [ given | the line being read ... | room ], from `start` to `end` unread. */
struct lines {
    char *path;
    gzFile file;
    char *buffer;
    size_t capacity, start, end;
    int64_t number;
    bool finished;
};

attn_status lines_open(lines **out, const char *path)
{
    *out = NULL;
    lines *l = calloc(1, sizeof *l);
    char *copy = strdup(path);
    if (!l || !copy) {
        free(l);
        free(copy);
        return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", path);
    }
    l->path = copy;
    errno = 0;
    l->file = gzopen(path, "rb");
    if (!l->file) {
        attn_status s = status_fail(ATTN_ERROR_FILE, "%s: cannot open it: %s", path, strerror(errno ? errno : ENOMEM));
        lines_close(l);
        return s;
    }
    *out = l;
    return ATTN_OK;
}

static attn_status make_room(lines *l)
{
    if (l->start > 0) memmove(l->buffer, l->buffer + l->start, l->end - l->start);
    l->end -= l->start;
    l->start = 0;
    if (l->capacity - l->end >= CHUNK + 1) return ATTN_OK;
    if (l->end > LONGEST_LINE)
        return status_fail(ATTN_ERROR_FORMAT, "%s:%lld: a line of more than %zu bytes, expected a sentence", l->path,
                           (long long)l->number + 1, LONGEST_LINE);
    size_t capacity = 2 * l->capacity + CHUNK + 1;
    char *grown = realloc(l->buffer, capacity);
    if (!grown) return status_fail(ATTN_ERROR_MEMORY, "%s: out of memory", l->path);
    l->buffer = grown;
    l->capacity = capacity;
    return ATTN_OK;
}

static attn_status read_more(lines *l)
{
    if (!l->buffer || l->capacity - l->end < CHUNK + 1) {
        attn_status s = make_room(l);
        if (s != ATTN_OK) return s;
    }
    errno = 0;
    int got = gzread(l->file, l->buffer + l->end, (unsigned)CHUNK);
    int code = Z_OK;
    gzerror(l->file, &code);
    if (code == Z_ERRNO) return status_fail(ATTN_ERROR_FILE, "%s: cannot read it: %s", l->path, strerror(errno));
    if (got < 0 || code != Z_OK ||
        (got == 0 && !gzip_is_whole(l->file))) /* Z_BUF_ERROR: the compressed file is cut short */
        return status_fail(ATTN_ERROR_FORMAT, "%s: the gzip file is damaged or cut short after line %lld", l->path,
                           (long long)l->number);
    l->finished = got == 0;
    l->end += (size_t)got;
    return ATTN_OK;
}

static void give(lines *l, size_t bytes, char **text, size_t *size)
{
    char *line = l->buffer + l->start;
    l->start += bytes + (l->start + bytes < l->end);
    l->number++;
    if (bytes > 0 && line[bytes - 1] == '\r') bytes--;
    line[bytes] = '\0';
    if (l->number == 1 && bytes >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        bytes -= 3;
    }
    *text = line;
    *size = bytes;
}

attn_status lines_next(lines *l, char **text, size_t *bytes)
{
    *text = NULL;
    *bytes = 0;
    for (size_t searched = 0;;) {
        size_t unread = l->end - l->start;
        char *end = unread > searched ? memchr(l->buffer + l->start + searched, '\n', unread - searched) : NULL;
        if (end) {
            give(l, (size_t)(end - l->buffer) - l->start, text, bytes);
            return ATTN_OK;
        }
        if (l->finished) {
            if (unread > 0) give(l, unread, text, bytes);
            return ATTN_OK;
        }
        searched = unread;
        attn_status s = read_more(l);
        if (s != ATTN_OK) return s;
    }
}

int64_t lines_number(const lines *l)
{
    return l->number;
}

void lines_close(lines *l)
{
    if (!l) return;
    if (l->file) gzclose(l->file);
    free(l->buffer);
    free(l->path);
    free(l);
}
