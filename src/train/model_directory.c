#include "train/model_directory.h"

#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What makes a directory a model's. The tokenizer's files do not: training makes them before anything is learnt. */
static const char *const telling_files[] = {"checkpoint.safetensors", "config.json", "model.safetensors"};

static attn_status make(char *path, const char *directory)
{
    for (char *at = path + 1; *at; at++) {
        if (*at != '/') continue;
        *at = '\0';
        int made = mkdir(path, 0777);
        *at = '/';
        if (made != 0 && errno != EEXIST) break;
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return status_fail(ATTN_ERROR_FILE, "%s: cannot make the directory: %s", directory, strerror(errno));
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return status_fail(ATTN_ERROR_FILE, "%s: not a directory", directory);
    return ATTN_OK;
}

attn_status model_directory_prepare(const char *directory, bool replace)
{
    char path[4096];
    if (directory[0] == '\0' || strlen(directory) > sizeof path - 64)
        return status_fail(ATTN_ERROR_ARGUMENT, "model is \"%.60s\", expected a directory's path", directory);
    snprintf(path, sizeof path, "%s", directory);
    attn_status s = make(path, directory);
    for (size_t i = 0; s == ATTN_OK && i < sizeof telling_files / sizeof *telling_files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, telling_files[i]);
        if (access(path, F_OK) != 0) continue;
        if (!replace)
            return status_fail(ATTN_ERROR_ARGUMENT,
                               "%s: exists; resume that run, replace it, or choose another directory", path);
        if (unlink(path) != 0) s = status_fail(ATTN_ERROR_FILE, "%s: cannot remove it: %s", path, strerror(errno));
    }
    return s;
}
