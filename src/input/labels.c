#include "input/labels.h"

#include "base/fnv.h"
#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The slot of the name, or the free one where its would be. There is always a free one. */
static int64_t *slot_of(const label_list *l, const char *name, size_t bytes)
{
    const uint64_t mask = 2 * (uint64_t)l->capacity - 1;
    for (uint64_t at = fnv_hash(FNV_EMPTY, name, bytes) & mask;; at = (at + 1) & mask) {
        int64_t *slot = &l->slots[at];
        if (*slot == 0) return slot;
        const char *found = l->names[*slot - 1];
        if (strlen(found) == bytes && !memcmp(found, name, bytes)) return slot;
    }
}

/* Of equal names the first one. */
static void fill_slots(label_list *l)
{
    memset(l->slots, 0, 2 * (size_t)l->capacity * sizeof *l->slots);
    for (int64_t i = 0; i < l->count; i++) {
        int64_t *slot = slot_of(l, l->names[i], strlen(l->names[i]));
        if (*slot == 0) *slot = i + 1;
    }
}

static bool grow(label_list *l)
{
    if (l->count < l->capacity) return true;
    const int64_t capacity = l->capacity ? 2 * l->capacity : 16;
    char **names = realloc(l->names, (size_t)capacity * sizeof *names);
    if (names) l->names = names;
    int64_t *slots = malloc(2 * (size_t)capacity * sizeof *slots);
    if (!names || !slots) {
        free(slots);
        return false;
    }
    free(l->slots);
    l->slots = slots;
    l->capacity = capacity;
    fill_slots(l);
    return true;
}

int64_t label_list_find(const label_list *l, const char *name)
{
    return l->capacity ? *slot_of(l, name, strlen(name)) - 1 : -1;
}

/* Its index, -1 when memory is short. */
static int64_t append(label_list *l, const char *name, size_t bytes)
{
    if (!grow(l)) return -1;
    char *copy = strndup(name, bytes);
    if (!copy) return -1;
    int64_t *slot = slot_of(l, name, bytes);
    l->names[l->count++] = copy;
    if (*slot == 0) *slot = l->count;
    return l->count - 1;
}

int64_t label_list_add(label_list *l, const char *name, size_t bytes)
{
    const int64_t known = l->capacity ? *slot_of(l, name, bytes) - 1 : -1;
    return known >= 0 ? known : append(l, name, bytes);
}

attn_status label_list_copy(label_list *l, char *const *names, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (append(l, names[i], strlen(names[i])) < 0)
            return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld labels", (long long)count);
    return ATTN_OK;
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
    if (l->capacity) fill_slots(l);
    return ATTN_OK;
}

void label_list_clear(label_list *l)
{
    for (int64_t i = 0; i < l->count; i++) free(l->names[i]);
    free(l->names);
    free(l->slots);
    *l = (label_list){0};
}
