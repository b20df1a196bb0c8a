#include "line_reader.h"

#include "text_source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)1 << 16)
#define WINDOW ((size_t)1 << 20)

/*     buffer  [ lines that were given | lines to come ...| room ]
 *               0                      begin             end    capacity     */
struct line_reader {
    text_source *source;
    const char *path;
    char *buffer;
    size_t begin, end, capacity;
    bool begun, at_end, skipping; /* skipping: inside a line that is too long */
};

char *read_line_string(const read_line *line)
{
    return strndup(line->text.length ? line->text.bytes : "", line->text.length);
}

line_reader *line_reader_open(const char *path)
{
    bool standard = !path || !strcmp(path, "-");
    line_reader *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->path = standard ? NULL : path;
    r->source = text_source_open(path);
    if (r->source) return r;
    int reason = errno;
    free(r);
    errno = reason;
    return NULL;
}

void line_reader_close(line_reader *r)
{
    if (!r) return;
    text_source_close(r->source);
    free(r->buffer);
    free(r);
}

const char *line_reader_name(const line_reader *r)
{
    return r->path ? r->path : "standard input";
}

const char *line_reader_problem(const line_reader *r)
{
    return text_source_problem(r->source);
}

/* Reads once, behind what is there. */
static bool read_more(line_reader *r)
{
    if (r->capacity - r->end < CHUNK) {
        size_t capacity = r->capacity ? r->capacity * 2 : 2 * CHUNK;
        char *grown = realloc(r->buffer, capacity);
        if (!grown) return false;
        r->buffer = grown;
        r->capacity = capacity;
    }
    ssize_t got = text_source_read(r->source, r->buffer + r->end, CHUNK);
    if (got < 0) return false;
    r->end += (size_t)got;
    r->at_end = got == 0;
    return true;
}

/* No text begins with what can only go on in UTF-8, as a PNG file does, whose first bytes hold a line feed. */
static bool holds_a_line(const line_reader *r)
{
    return r->end > 0 && (r->buffer[0] & 0xC0) != 0x80 && memchr(r->buffer, '\n', r->end);
}

int64_t line_reader_beginning(line_reader *r, const char **bytes)
{
    while (!r->at_end && r->end < LINE_READER_BEGINNING && !holds_a_line(r))
        if (!read_more(r)) return -1;
    *bytes = r->buffer;
    return (int64_t)r->end;
}

bool line_reader_copy(line_reader *r, FILE *out)
{
    for (;;) {
        const size_t count = r->end - r->begin;
        if (count && fwrite(r->buffer + r->begin, 1, count, out) < count) return false; /* none yet: no buffer either */
        r->begin = r->end = 0;
        if (r->at_end) return true;
        if (!read_more(r)) return false;
    }
}

/* Without its line feed a line may end in a carriage return, and the first one begin with a byte order mark, where it
 * comes from Windows: neither is text. */
static size_t trim(line_reader *r, size_t *offset, size_t stop)
{
    if (stop > *offset && r->buffer[stop - 1] == '\r') stop--;
    if (!r->begun && stop - *offset >= 3 && memcmp(r->buffer + *offset, "\xEF\xBB\xBF", 3) == 0) *offset += 3;
    r->begun = true;
    return stop - *offset;
}

/* One line from begin on, as an offset for now: the buffer may still move. False: none is complete yet. */
static bool take_line(line_reader *r, size_t *scanned, read_line *line, size_t *offset)
{
    char *feed = r->end > *scanned ? memchr(r->buffer + *scanned, '\n', r->end - *scanned) : NULL;
    if (!feed && r->end - r->begin > LINE_READER_LONGEST) {
        r->skipping = true;
        r->end = r->begin;
    }
    *scanned = r->end;
    bool last = r->at_end && (r->end > r->begin || r->skipping);
    if (!feed && !last) return false;
    size_t stop = feed ? (size_t)(feed - r->buffer) : r->end;
    *offset = r->begin;
    bool too_long = r->skipping || stop - r->begin > LINE_READER_LONGEST;
    const size_t length = trim(r, offset, stop);
    *line = (read_line){.text.length = too_long ? 0 : length, .too_long = too_long};
    r->skipping = false;
    r->begin = feed ? stop + 1 : stop;
    *scanned = r->begin;
    return true;
}

int64_t line_reader_next(line_reader *r, read_line *lines, int64_t most)
{
    if (r->begin) memmove(r->buffer, r->buffer + r->begin, r->end - r->begin);
    r->end -= r->begin;
    r->begin = 0;
    size_t scanned = 0, *offsets = calloc((size_t)most, sizeof *offsets);
    if (!offsets) return -1;
    int64_t count = 0;
    while (count < most) {
        if (take_line(r, &scanned, &lines[count], &offsets[count])) {
            count++;
            continue;
        }
        if (r->at_end || (count > 0 && (r->begin > WINDOW || text_source_would_wait(r->source)))) break;
        if (!read_more(r)) {
            free(offsets);
            return -1;
        }
    }
    for (int64_t i = 0; i < count; i++) lines[i].text.bytes = r->buffer + offsets[i];
    free(offsets);
    return count;
}
