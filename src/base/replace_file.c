#define _GNU_SOURCE /* asprintf, O_CLOEXEC */
#include "base/replace_file.h"

#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct replace_file {
    char *target;    /* symbolic links resolved */
    char *temporary; /* NULL: written to directly */
    FILE *stream;
    int error; /* errno of the first failed write */
};

static attn_status cannot(const char *verb, const char *path, int error)
{
    return status_fail(ATTN_ERROR_FILE, "%s: cannot %s: %s", path, verb, strerror(error));
}

static void release(replace_file *f)
{
    if (f->stream) fclose(f->stream);
    free(f->temporary);
    free(f->target);
    free(f);
}

/* The path with its links resolved; a copy of it when nothing is there yet. NULL with errno set otherwise. */
static char *resolve(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (resolved || errno != ENOENT) return resolved;
    return strdup(path);
}

/* A new file beside the target; its name is free because O_EXCL says so. */
static int create_beside(replace_file *f)
{
    static atomic_uint counter;
    for (int attempt = 0; attempt < 100; attempt++) {
        char *name;
        if (asprintf(&name, "%s.%ld-%u.tmp", f->target, (long)getpid(), atomic_fetch_add(&counter, 1)) < 0) {
            errno = ENOMEM;
            return -1;
        }
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            f->temporary = name;
            return fd;
        }
        free(name);
        if (errno != EEXIST) return -1;
    }
    return -1;
}

static int open_target(replace_file *f)
{
    struct stat s;
    if (stat(f->target, &s) != 0 || S_ISREG(s.st_mode)) return create_beside(f);
    return open(f->target, O_WRONLY | O_CLOEXEC); /* a directory fails here with EISDIR */
}

attn_status replace_file_open(replace_file **out, const char *path)
{
    *out = NULL;
    replace_file *f = calloc(1, sizeof *f);
    if (!f) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to write it", path);
    f->target = resolve(path);
    int fd = f->target ? open_target(f) : -1;
    if (fd < 0) {
        int error = errno;
        release(f);
        return cannot("write", path, error);
    }
    f->stream = fdopen(fd, "wb");
    if (!f->stream) {
        int error = errno;
        close(fd);
        replace_file_discard(f);
        return cannot("write", path, error);
    }
    *out = f;
    return ATTN_OK;
}

attn_status replace_file_write(replace_file *f, const void *bytes, size_t size)
{
    if (f->error == 0 && size > 0 && fwrite(bytes, 1, size, f->stream) != size) f->error = errno ? errno : EIO;
    return f->error == 0 ? ATTN_OK : cannot("write", f->target, f->error);
}

FILE *replace_file_stream(replace_file *f)
{
    return f->stream;
}

/* A rename is on disk only when its directory is. Some file systems cannot sync a directory and say EINVAL. */
static int sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!directory) return ENOMEM;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (fd < 0) return errno;
    int error = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
    close(fd);
    return error;
}

/* Stdio keeps that a write failed and not why: one more, to the file that is thrown away for it, tells. */
static int error_of_stream(replace_file *f)
{
    static const char block[1 << 16];
    for (int tries = 0; f->temporary && tries < 2; tries++) /* the first may find room for a part */
        if (write(fileno(f->stream), block, sizeof block) < 0) return errno;
    return EIO;
}

/* Everything between the last write and the old file's end; returns 0 or an errno. */
static int finish(replace_file *f)
{
    if (f->error) return f->error;
    if (fflush(f->stream) != 0) return errno;
    if (ferror(f->stream)) return error_of_stream(f);
    if (f->temporary && fsync(fileno(f->stream)) != 0) return errno;
    int closed = fclose(f->stream);
    f->stream = NULL;
    if (closed != 0) return errno;
    if (!f->temporary) return 0;
    if (rename(f->temporary, f->target) != 0) return errno;
    free(f->temporary);
    f->temporary = NULL;
    return sync_directory(f->target);
}

attn_status replace_file_commit(replace_file *f)
{
    int error = finish(f);
    attn_status status = error ? cannot("write", f->target, error) : ATTN_OK;
    replace_file_discard(f);
    return status;
}

void replace_file_discard(replace_file *f)
{
    if (!f) return;
    if (f->temporary) unlink(f->temporary);
    release(f);
}

attn_status replace_file_save(const char *path, const void *bytes, size_t size)
{
    replace_file *f;
    attn_status status = replace_file_open(&f, path);
    if (status != ATTN_OK) return status;
    replace_file_write(f, bytes, size);
    return replace_file_commit(f);
}
