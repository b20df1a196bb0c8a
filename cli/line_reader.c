#include "line_reader.h"

#include "gzip.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 16)
#define WINDOW ((size_t)1 << 20)

/*     buffer  [ lines that were given | lines to come ...| room ]
 *               0                      begin             end    capacity     */
struct line_reader {
    int file;
    const char *path;
    char *buffer;
    size_t begin, end, capacity;
    bool at_end, skipping; /* skipping: inside a line that is too long */
    bool begun, gzip;      /* begun: a line was given */
};

line_reader *line_reader_open(const char *path)
{
    bool standard = !path || !strcmp(path, "-");
    line_reader *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->path = standard ? NULL : path;
    r->file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (r->file >= 0) return r;
    int reason = errno;
    free(r);
    errno = reason;
    return NULL;
}

void line_reader_close(line_reader *r)
{
    if (!r) return;
    if (r->path) close(r->file);
    free(r->buffer);
    free(r);
}

const char *line_reader_name(const line_reader *r)
{
    return r->path ? r->path : "standard input";
}

const char *line_reader_problem(const line_reader *r)
{
    return r->gzip ? GZIP_ADVICE : strerror(errno);
}

static bool would_wait(const line_reader *r)
{
    struct pollfd p = {.fd = r->file, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* Reads once, behind what is there; false too where that is a gzip file's beginning. */
static bool read_more(line_reader *r)
{
    if (r->capacity - r->end < CHUNK) {
        size_t capacity = r->capacity ? r->capacity * 2 : 2 * CHUNK;
        char *grown = realloc(r->buffer, capacity);
        if (!grown) return false;
        r->buffer = grown;
        r->capacity = capacity;
    }
    ssize_t got;
    do got = read(r->file, r->buffer + r->end, CHUNK);
    while (got < 0 && errno == EINTR);
    if (got < 0) return false;
    r->end += (size_t)got;
    r->at_end = got == 0;
    r->gzip = !r->begun && !r->skipping && gzip_begins(r->buffer, r->end);
    return !r->gzip;
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
    *line = (read_line){.text.length = too_long ? 0 : stop - r->begin, .too_long = too_long};
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
        if (r->at_end || (count > 0 && (r->begin > WINDOW || would_wait(r)))) break;
        if (!read_more(r)) {
            free(offsets);
            return -1;
        }
    }
    for (int64_t i = 0; i < count; i++) lines[i].text.bytes = r->buffer + offsets[i];
    r->begun = r->begun || count > 0;
    free(offsets);
    return count;
}
