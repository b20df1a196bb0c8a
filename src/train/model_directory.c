#include "train/model_directory.h"

#include "base/status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_PATH 4096

/* Lies there from before a run writes the model that it begins with until its first checkpoint is whole. */
#define BEGINNING "checkpoint.safetensors.beginning"

/* What makes a directory a model's. The tokenizer's files do not: training makes them before anything is learnt. */
static const char *const telling_files[] = {"checkpoint.safetensors", "config.json", "model.safetensors", BEGINNING};

/* The directory and those above it. */
static attn_status make_all(const char *directory, bool *made)
{
    char path[LONGEST_PATH];
    snprintf(path, sizeof path, "%s", directory);
    for (char *at = path + 1; *at; at++) {
        if (*at != '/') continue;
        *at = '\0';
        int failed = mkdir(path, 0777);
        *at = '/';
        if (failed && errno != EEXIST) break;
    }
    *made = mkdir(path, 0777) == 0;
    if (!*made && errno != EEXIST)
        return status_fail(ATTN_ERROR_FILE, "%s: cannot make the directory: %s", directory, strerror(errno));
    return ATTN_OK;
}

/* All that training writes. */
static const char *const written_files[] = {"checkpoint.safetensors",
                                            "config.json",
                                            "generation_config.json",
                                            "model.safetensors",
                                            "source.spm",
                                            "target.spm",
                                            "vocab.json",
                                            "target_vocab.json",
                                            "vocab.txt",
                                            "merges.txt",
                                            "added_tokens.json",
                                            "tokenizer.json",
                                            "tokenizer_config.json",
                                            "special_tokens_map.json",
                                            "preprocessor_config.json",
                                            BEGINNING};

/* replace_file.c writes NAME as NAME.PID-COUNT.tmp until it is whole. */
static bool is_leftover(const char *entry)
{
    for (size_t i = 0; i < sizeof written_files / sizeof *written_files; i++) {
        size_t length = strlen(written_files[i]);
        if (strncmp(entry, written_files[i], length) != 0 || entry[length] != '.') continue;
        const char *middle = entry + length + 1;
        size_t digits = strspn(middle, "0123456789-");
        if (digits > 0 && strcmp(middle + digits, ".tmp") == 0) return true;
    }
    return false;
}

/* What cannot be removed does no harm. */
static void sweep(const char *directory)
{
    DIR *d = opendir(directory);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        if (is_leftover(e->d_name)) unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

attn_status model_directory_take(const char *directory, bool make, bool *made, int *lock)
{
    if (directory[0] == '\0') return status_fail(ATTN_ERROR_ARGUMENT, "model is \"\", expected a directory's path");
    if (strlen(directory) > LONGEST_PATH - 64)
        return status_fail(ATTN_ERROR_ARGUMENT, "%.60s...: the path is too long", directory);
    attn_status s = make ? make_all(directory, made) : ATTN_OK;
    if (s != ATTN_OK) return s;
    *lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) return status_fail(ATTN_ERROR_FILE, "%s: cannot open the directory: %s", directory, strerror(errno));
    /* A file system without locks (some network ones) is trusted to have one run only. */
    if (flock(*lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return status_fail(ATTN_ERROR_FILE, "%s: another training run is writing to it", directory);
    sweep(directory);
    return ATTN_OK;
}

attn_status model_directory_refuse(const char *directory)
{
    for (size_t i = 0; i < sizeof telling_files / sizeof *telling_files; i++) {
        char path[LONGEST_PATH];
        snprintf(path, sizeof path, "%s/%s", directory, telling_files[i]);
        if (access(path, F_OK) == 0)
            return status_fail(ATTN_ERROR_ARGUMENT,
                               "%s: exists; resume that run, replace it, or choose another directory", path);
    }
    return ATTN_OK;
}

/* A tokenizer of another kind that stayed would be taken for the new model's. */
attn_status model_directory_make_way(const char *directory, bool *replaces)
{
    if (!*replaces) return ATTN_OK;
    for (size_t i = 0; i < sizeof written_files / sizeof *written_files; i++) {
        char path[LONGEST_PATH];
        snprintf(path, sizeof path, "%s/%s", directory, written_files[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            return status_fail(ATTN_ERROR_FILE, "%s: cannot remove it: %s", path, strerror(errno));
    }
    *replaces = false;
    return ATTN_OK;
}

void model_directory_abandon(const char *directory, bool made)
{
    const char *const *files = made ? written_files : telling_files;
    const size_t count =
        made ? sizeof written_files / sizeof *written_files : sizeof telling_files / sizeof *telling_files;
    for (size_t i = 0; i < count; i++) {
        char path[LONGEST_PATH];
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        unlink(path);
    }
}

attn_status model_directory_mark_beginning(const char *directory)
{
    char path[LONGEST_PATH];
    snprintf(path, sizeof path, "%s/" BEGINNING, directory);
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return status_fail(ATTN_ERROR_FILE, "%s: cannot write: %s", path, strerror(errno));
    close(file);
    return ATTN_OK;
}

void model_directory_end_beginning(const char *directory)
{
    char path[LONGEST_PATH];
    snprintf(path, sizeof path, "%s/" BEGINNING, directory);
    unlink(path);
}

bool model_directory_recover(const char *directory)
{
    char mark[LONGEST_PATH], checkpoint[LONGEST_PATH];
    snprintf(mark, sizeof mark, "%s/" BEGINNING, directory);
    snprintf(checkpoint, sizeof checkpoint, "%s/%s", directory, telling_files[0]);
    if (access(mark, F_OK) != 0) return false;
    if (access(checkpoint, F_OK) == 0) {
        model_directory_end_beginning(directory);
        return false;
    }
    model_directory_abandon(directory, false);
    return true;
}
