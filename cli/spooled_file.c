#include "spooled_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool copy(line_reader *r, FILE *out, const char **problem)
{
    bool whole = line_reader_copy(r, out);
    *problem = whole || ferror(out) ? strerror(errno) : line_reader_problem(r);
    if (fclose(out) == 0) return whole;
    if (whole) *problem = strerror(errno);
    return false;
}

char *spooled_file(line_reader *r, const char **problem)
{
    const char *directory = getenv("TMPDIR");
    char *path;
    if (asprintf(&path, "%s/attn-XXXXXX", directory && *directory ? directory : "/tmp") < 0) {
        *problem = strerror(ENOMEM);
        return NULL;
    }
    int file = mkstemp(path);
    FILE *out = file >= 0 ? fdopen(file, "wb") : NULL;
    if (out && copy(r, out, problem)) return path;
    if (!out) *problem = strerror(errno);
    if (!out && file >= 0) close(file);
    if (file >= 0) unlink(path);
    free(path);
    return NULL;
}
