#include "input/examples_read.h"

#include "base/status.h"
#include "formats/idx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Replaces the last `from` in the path's file name; false where there is none, or no room. */
static bool exchange(char *path, size_t size, const char *from, const char *to)
{
    char *name = strrchr(path, '/'), *found = NULL;
    for (char *at = name ? name : path; (at = strstr(at, from)); at++) found = at;
    if (!found || strlen(path) + strlen(to) >= size) return false;
    memmove(found + strlen(to), found + strlen(from), strlen(found + strlen(from)) + 1);
    memcpy(found, to, strlen(to));
    return true;
}

static attn_status find_labels(const char *path, const char *labels_path, char *found, size_t size)
{
    snprintf(found, size, "%s", labels_path ? labels_path : path);
    if (labels_path) return ATTN_OK;
    if (!exchange(found, size, "images", "labels"))
        return status_fail(ATTN_ERROR_ARGUMENT, "%s: images; say which file holds their labels", path);
    exchange(found, size, "idx3", "idx1"); /* which not every name has */
    return ATTN_OK;
}

static attn_status check(const idx_array *images, const char *path, const idx_array *labels, const char *labels_path)
{
    if (labels->rank != 1)
        return status_fail(ATTN_ERROR_FORMAT, "%s: rank is %d, expected 1, as labels have: count", labels_path,
                           labels->rank);
    if (images->shape[0] != labels->shape[0])
        return status_fail(ATTN_ERROR_FORMAT,
                           "%s: dimension 0, the count of labels, is %lld, expected %lld, as many as %s has images",
                           labels_path, (long long)labels->shape[0], (long long)images->shape[0], path);
    return ATTN_OK;
}

static attn_status append_all(example_list *l, const idx_array *labels)
{
    for (int64_t i = 0; i < labels->count; i++) {
        char name[8];
        int length = snprintf(name, sizeof name, "%d", labels->values[i]);
        attn_status s = example_list_append(l, name, (size_t)length, NULL, 0);
        if (s != ATTN_OK) return s;
    }
    return ATTN_OK;
}

attn_status example_list_read_idx(example_list *l, const char *path, const char *labels_path)
{
    if (l->kind != EXAMPLES_IMAGE)
        return status_fail(ATTN_ERROR_ARGUMENT, "%s: images, not %ss", path, example_kind_name(l->kind));
    char found[4096];
    idx_array images = {0}, labels = {0};
    attn_status s = idx_read_images(&images, path);
    if (s == ATTN_OK) s = find_labels(path, labels_path, found, sizeof found);
    if (s == ATTN_OK) s = idx_read(&labels, found);
    if (s == ATTN_OK) s = check(&images, path, &labels, found);
    if (s == ATTN_OK) s = append_all(l, &labels);
    if (s == ATTN_OK) {
        l->pixels = images.values;
        l->height = images.shape[1];
        l->width = images.shape[2];
        images.values = NULL;
    }
    idx_clear(&labels);
    idx_clear(&images);
    return s;
}
