#include "input/labels.h"

#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int64_t find(const label_list *l, const char *name, size_t bytes)
{
    for (int64_t i = 0; i < l->count; i++) {
        if (strlen(l->names[i]) == bytes && !memcmp(l->names[i], name, bytes)) return i;
    }
    return -1;
}

int64_t label_list_find(const label_list *l, const char *name)
{
    return find(l, name, strlen(name));
}

int64_t label_list_add(label_list *l, const char *name, size_t bytes)
{
    int64_t known = find(l, name, bytes);
    if (known >= 0) return known;
    if (l->count == l->capacity) {
        int64_t capacity = l->capacity ? 2 * l->capacity : 16;
        char **names = realloc(l->names, (size_t)capacity * sizeof *names);
        if (!names) return -1;
        l->names = names;
        l->capacity = capacity;
    }
    l->names[l->count] = strndup(name, bytes);
    return l->names[l->count] ? l->count++ : -1;
}

typedef struct placed_label {
    char *name;
    long long number;
    bool is_number;
    int64_t was;
} placed_label;

static placed_label place_of(char *name, int64_t was)
{
    char *end;
    errno = 0;
    long long number = strtoll(name, &end, 10);
    return (placed_label){name, number, end != name && !*end && !errno, was};
}

static int in_order(const void *left, const void *right)
{
    const placed_label *a = left, *b = right;
    if (a->is_number != b->is_number) return a->is_number ? -1 : 1;
    if (a->is_number && a->number != b->number) return a->number < b->number ? -1 : 1;
    return strcmp(a->name, b->name);
}

attn_status label_list_sort(label_list *l, int64_t *place)
{
    placed_label *sorted = malloc(((size_t)l->count + 1) * sizeof *sorted);
    if (!sorted) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld labels", (long long)l->count);
    for (int64_t i = 0; i < l->count; i++) sorted[i] = place_of(l->names[i], i);
    qsort(sorted, (size_t)l->count, sizeof *sorted, in_order);
    for (int64_t i = 0; i < l->count; i++) {
        l->names[i] = sorted[i].name;
        place[sorted[i].was] = i;
    }
    free(sorted);
    return ATTN_OK;
}

void label_list_clear(label_list *l)
{
    for (int64_t i = 0; i < l->count; i++) free(l->names[i]);
    free(l->names);
    *l = (label_list){0};
}
