#include "run_outputs.h"

#include "failure.h"

#include "attn/seq.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 3

/* Where one output goes. */
typedef struct place {
    char *target, *beside; /* what a link points to; the file beside it, NULL: written to directly */
    bool written;
} place;

static int find_place(place *p, const char *path)
{
    struct stat s;
    p->target = realpath(path, NULL);
    if (!p->target && errno == ENOENT) p->target = strdup(path);
    if (!p->target) return failure("run", "%s: cannot write: %s", path, strerror(errno));
    if (stat(p->target, &s) == 0 && !S_ISREG(s.st_mode)) return 0;
    if (asprintf(&p->beside, "%s.%ld.part", p->target, (long)getpid()) >= 0) return 0;
    p->beside = NULL;
    return failure("run", "%s: no memory to write it", path);
}

/* The library's message, with the name that the user gave in the place of the file's beside it. */
static int tell_failure(const place *p, const run_output *o)
{
    const char *message = attn_seq_error();
    size_t length = p->beside ? strlen(p->beside) : 0;
    if (!length || strncmp(message, p->beside, length) != 0) return failure_of_library("run");
    return failure("run", "%s%s", o->path, message + length);
}

static int write_one(place *p, const run_output *o)
{
    const char *path = p->beside ? p->beside : o->path;
    if (attn_seq_array_write_npy(path, o->rank, o->shape, o->values) != ATTN_OK) return tell_failure(p, o);
    p->written = true;
    return 0;
}

static int rename_one(place *p, const char *path)
{
    if (rename(p->beside, p->target) != 0) return failure("run", "%s: cannot write: %s", path, strerror(errno));
    p->written = false;
    return 0;
}

static int write_all(place *places, const run_output *outputs, int count)
{
    for (int i = 0; i < count; i++)
        if (outputs[i].path && find_place(&places[i], outputs[i].path)) return 1;
    for (int direct = 0; direct < 2; direct++)
        for (int i = 0; i < count; i++)
            if (outputs[i].path && (places[i].beside == NULL) == direct && write_one(&places[i], &outputs[i])) return 1;
    for (int i = 0; i < count; i++)
        if (places[i].beside && rename_one(&places[i], outputs[i].path)) return 1;
    return 0;
}

int run_outputs_write(const run_output *outputs, int count)
{
    place places[MOST] = {0};
    int status = write_all(places, outputs, count);
    for (int i = 0; i < count; i++) {
        if (places[i].beside && places[i].written) unlink(places[i].beside);
        free(places[i].beside);
        free(places[i].target);
    }
    return status;
}
