#include "writable.h"

#include "failure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files are written beside the old one, so that it is the directory which must take them; a device is written to. */
static int find_problem(const char *place)
{
    struct stat s;
    if (stat(place, &s) == 0 && !S_ISREG(s.st_mode)) {
        if (S_ISDIR(s.st_mode)) return EISDIR;
        return access(place, W_OK) == 0 ? 0 : errno;
    }
    const char *slash = strrchr(place, '/');
    char *directory = slash ? strndup(place, slash == place ? 1 : (size_t)(slash - place)) : strdup(".");
    if (!directory) return ENOMEM;
    int problem = access(directory, W_OK | X_OK) == 0 ? 0 : errno;
    free(directory);
    return problem;
}

int writable_check(const char *command, const char *path)
{
    char *resolved = realpath(path, NULL); /* where a link points to */
    int problem = resolved || errno == ENOENT ? find_problem(resolved ? resolved : path) : errno;
    free(resolved);
    return problem ? failure(command, "%s: cannot write: %s", path, strerror(problem)) : 0;
}
