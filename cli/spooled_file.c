#include "spooled_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    const char *named = getenv("TMPDIR"), *directory = named && *named ? named : "/tmp", *why;
    char *path;
    if (asprintf(&path, "%s/attn-XXXXXX", directory) < 0) {
        snprintf(problem, size, "%s", strerror(ENOMEM));
        return NULL;
    }
    int file = mkstemp(path);
    FILE *out = file >= 0 ? fdopen(file, "wb") : NULL;
    why = out ? copy(r, out) : strerror(errno);
    if (!why) return path;
    snprintf(problem, size, "a copy in %s: %s", directory, why);
    if (!out && file >= 0) close(file);
    if (file >= 0) unlink(path);
    free(path);
    return NULL;
}
