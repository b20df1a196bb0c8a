#include "input/examples_read.h"

#include "base/status.h"
#include "base/utf8.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static void free_entries(struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
}

/* What to do with FOLDER/LABEL/NAME; *done ends the walk. */
typedef attn_status (*visit)(void *argument, const char *path, const char *label, const char *name, bool *done);

static attn_status walk_label(const char *folder, const char *label, visit each, void *argument, bool *done)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", folder, label);
    if (length < 0 || (size_t)length >= sizeof path)
        return status_fail(ATTN_ERROR_FILE, "%.60s...: the path is too long", folder);
    struct dirent **entries;
    int count = scandir(path, &entries, visible, by_bytes);
    if (count < 0 && errno == ENOTDIR) return ATTN_OK; /* a file beside the classes' folders: a README */
    if (count < 0) return status_fail(ATTN_ERROR_FILE, "%s: cannot read the folder: %s", path, strerror(errno));
    attn_status s = ATTN_OK;
    for (int i = 0; i < count && s == ATTN_OK && !*done; i++) s = each(argument, path, label, entries[i]->d_name, done);
    free_entries(entries, count);
    return s;
}

static attn_status walk(const char *folder, visit each, void *argument)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, visible, by_bytes);
    if (count < 0) return status_fail(ATTN_ERROR_FILE, "%s: cannot read the folder: %s", folder, strerror(errno));
    attn_status s = ATTN_OK;
    bool done = false;
    for (int i = 0; i < count && s == ATTN_OK && !done; i++)
        s = walk_label(folder, entries[i]->d_name, each, argument, &done);
    free_entries(entries, count);
    return s;
}

static attn_status find_kind(void *argument, const char *path, const char *label, const char *name, bool *done)
{
    (void)path;
    (void)label;
    *done = example_kind_of_name(name, strlen(name), argument);
    return ATTN_OK;
}

attn_status example_folder_kind(const char *path, example_kind *kind)
{
    const example_kind none = (example_kind)-1;
    *kind = none;
    attn_status s = walk(path, find_kind, kind);
    if (s == ATTN_OK && *kind == none)
        s = status_fail(ATTN_ERROR_FORMAT, "%s: expected a folder for each label, with .png, .jpg, .jpeg or .wav files",
                        path);
    return s;
}

static attn_status append(void *argument, const char *folder, const char *label, const char *name, bool *done)
{
    (void)done;
    example_list *l = argument;
    example_kind kind;
    if (!example_kind_of_name(name, strlen(name), &kind) || kind != l->kind) {
        l->skipped++;
        return ATTN_OK;
    }
    if (!utf8_valid(label, strlen(label)))
        return status_fail(ATTN_ERROR_FORMAT, "%s: its name, a label, is not UTF-8", folder);
    if (strpbrk(label, "\t\n\r"))
        return status_fail(ATTN_ERROR_FORMAT,
                           "%s: its name, a label, holds a tab or a line break, expected none: labels are told in "
                           "columns",
                           folder);
    char path[4096 + NAME_MAX + 2];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    return example_list_append(l, label, strlen(label), path, (size_t)length);
}

attn_status example_list_read_folder(example_list *l, const char *path)
{
    if (l->kind == EXAMPLES_TEXT)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "%s: a folder; texts are read from one file, label TAB text", path);
    return walk(path, append, l);
}
