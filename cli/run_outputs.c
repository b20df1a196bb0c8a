#include "run_outputs.h"

#include "failure.h"
#include "spooled_file.h"

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
    if (!strcmp(path, "-")) return 0;
    p->target = realpath(path, NULL);
    if (!p->target && errno == ENOENT) p->target = strdup(path);
    if (!p->target) return failure("run", "%s: cannot write: %s", path, strerror(errno));
    if (stat(p->target, &s) == 0 && !S_ISREG(s.st_mode)) return 0;
    if (asprintf(&p->beside, "%s.%ld.part", p->target, (long)getpid()) >= 0) return 0;
    p->beside = NULL;
    return failure("run", "%s: no memory to write it", path);
}

static void copy_to_standard_output(const char *path)
{
    char bytes[1 << 14];
    FILE *f = fopen(path, "rb");
    for (size_t got; f && (got = fread(bytes, 1, sizeof bytes, f)) > 0 && !ferror(stdout);) {
        fwrite(bytes, 1, got, stdout);
        failure_flush_output();
    }
    if (f) fclose(f);
}

/* The library writes to names. /dev/stdout is one, but where a file stands behind it the array would replace that file,
 * and what else is written there be lost. */
static int write_standard_output(const run_output *o)
{
    char problem[160];
    FILE *empty;
    char *path = spooled_file_empty(&empty, problem, sizeof problem);
    if (!path) return failure("run", "%s", problem);
    fclose(empty);
    const bool whole = attn_seq_array_write_npy(path, o->rank, o->shape, o->values) == ATTN_OK;
    if (whole) copy_to_standard_output(path);
    unlink(path);
    free(path);
    return whole ? failure_of_output("run") : failure_of_library("run");
}

static int write_one(place *p, const run_output *o)
{
    if (!strcmp(o->path, "-")) return write_standard_output(o);
    const char *path = p->beside ? p->beside : o->path;
    if (attn_seq_array_write_npy(path, o->rank, o->shape, o->values) != ATTN_OK)
        return failure_of_library_about("run", path, o->path);
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
