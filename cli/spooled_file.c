#include "spooled_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *place(void)
{
    const char *named = getenv("TMPDIR");
    return named && *named ? named : "/tmp";
}

char *spooled_file_empty(FILE **out, char *problem, size_t size)
{
    char *path;
    *out = NULL;
    if (asprintf(&path, "%s/attn-XXXXXX", place()) < 0) {
        snprintf(problem, size, "%s", strerror(ENOMEM));
        return NULL;
    }
    int file = mkstemp(path);
    *out = file >= 0 ? fdopen(file, "wb") : NULL;
    if (*out) return path;
    snprintf(problem, size, "a copy in %s: %s", place(), strerror(errno));
    if (file >= 0) close(file);
    if (file >= 0) unlink(path);
    free(path);
    return NULL;
}

/* NULL: it worked. */
static const char *copy(line_reader *r, FILE *out)
{
    const char *problem = NULL;
    if (!line_reader_copy(r, out)) problem = ferror(out) ? strerror(errno) : line_reader_problem(r);
    if (fclose(out) != 0 && !problem) problem = strerror(errno);
    return problem;
}

char *spooled_file(line_reader *r, char *problem, size_t size)
{
    FILE *out;
    char *path = spooled_file_empty(&out, problem, size);
    if (!path) return NULL;
    const char *why = copy(r, out);
    if (!why) return path;
    snprintf(problem, size, "a copy in %s: %s", place(), why);
    unlink(path);
    free(path);
    return NULL;
}
