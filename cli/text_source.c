#include "text_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK ((size_t)1 << 16)

struct text_source {
    int file;
    bool standard, begun, packed;
    bool between;        /* packed: behind a member's end, where another one may follow */
    const char *problem; /* NULL: errno has it */
    z_stream stream;     /* its next_in and avail_in are what was read and not given yet, packed or not */
    unsigned char input[CHUNK];
};

text_source *text_source_open(const char *path)
{
    text_source *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->standard = !path || !strcmp(path, "-");
    s->file = s->standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s->file >= 0) return s;
    int reason = errno;
    free(s);
    errno = reason;
    return NULL;
}

void text_source_close(text_source *s)
{
    if (!s) return;
    if (!s->standard) close(s->file);
    if (s->packed) inflateEnd(&s->stream);
    free(s);
}

const char *text_source_problem(const text_source *s)
{
    return s->problem ? s->problem : strerror(errno);
}

bool text_source_would_wait(const text_source *s)
{
    if (s->stream.avail_in) return false;
    struct pollfd p = {.fd = s->file, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

static ssize_t read_file(const text_source *s, void *bytes, size_t most)
{
    ssize_t got;
    do got = read(s->file, bytes, most);
    while (got < 0 && errno == EINTR);
    return got;
}

/* More input behind none. 1, 0 at the end, -1. */
static int refill(text_source *s)
{
    ssize_t got = read_file(s, s->input, CHUNK);
    if (got <= 0) return (int)got;
    s->stream.next_in = s->input;
    s->stream.avail_in = (unsigned)got;
    return 1;
}

/* Reads the first bytes and looks whether they are a gzip file's. */
static bool begin(text_source *s)
{
    int more = refill(s);
    if (more > 0 && s->stream.avail_in == 1 && s->input[0] == 0x1f) {
        ssize_t second = read_file(s, s->input + 1, 1);
        if (second < 0) return false;
        s->stream.avail_in += (unsigned)second;
    }
    if (more < 0) return false;
    s->begun = true;
    if (s->stream.avail_in < 2 || s->input[0] != 0x1f || s->input[1] != 0x8b) return true;
    if (inflateInit2(&s->stream, 16 + MAX_WBITS) != Z_OK) { /* gzip's frame, and no other */
        errno = ENOMEM;
        return false;
    }
    s->packed = true;
    return true;
}

static ssize_t take(text_source *s, char *bytes, size_t most)
{
    size_t size = s->stream.avail_in < most ? s->stream.avail_in : most;
    if (!size) return read_file(s, bytes, most);
    memcpy(bytes, s->stream.next_in, size);
    s->stream.next_in += size;
    s->stream.avail_in -= (unsigned)size;
    return (ssize_t)size;
}

static ssize_t fail(text_source *s, const char *problem)
{
    s->problem = problem;
    return -1;
}

static ssize_t unpack(text_source *s, char *bytes, size_t most)
{
    s->stream.next_out = (unsigned char *)bytes;
    s->stream.avail_out = (unsigned)(most < CHUNK ? most : CHUNK);
    const unsigned room = s->stream.avail_out;
    while (s->stream.avail_out == room) {
        if (!s->stream.avail_in) {
            int more = refill(s);
            if (more < 0) return -1;
            if (!more) return s->between ? 0 : fail(s, "the gzip file is cut short");
        }
        if (s->between && inflateReset(&s->stream) != Z_OK) return fail(s, "the gzip file is damaged");
        s->between = false;
        int code = inflate(&s->stream, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return fail(s, "the gzip file is damaged");
        s->between = code == Z_STREAM_END;
    }
    return (ssize_t)(room - s->stream.avail_out);
}

ssize_t text_source_read(text_source *s, char *bytes, size_t most)
{
    if (!s->begun && !begin(s)) return -1;
    return s->packed ? unpack(s, bytes, most) : take(s, bytes, most);
}
