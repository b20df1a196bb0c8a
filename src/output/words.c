#include "output/words.h"

#include "base/fnv.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

/* An open-addressed table of at least twice as many slots as words; a slot holds 1 + the word's number. */
struct words {
    char **names;
    uint32_t count, capacity;
    uint32_t *slots, slot_count;
};

words *words_create(void)
{
    return calloc(1, sizeof(words));
}

void words_reset(words *w)
{
    for (uint32_t i = 0; i < w->count; i++) free(w->names[i]);
    w->count = 0;
    if (w->slots) memset(w->slots, 0, w->slot_count * sizeof *w->slots);
}

void words_destroy(words *w)
{
    if (!w) return;
    words_reset(w);
    free(w->names);
    free(w->slots);
    free(w);
}

static uint32_t *find_slot(const words *w, const char *s, size_t bytes)
{
    for (uint32_t i = fnv_hash(FNV_EMPTY, s, bytes) & (w->slot_count - 1);; i = (i + 1) & (w->slot_count - 1)) {
        if (!w->slots[i]) return &w->slots[i];
        const char *name = w->names[w->slots[i] - 1];
        if (strncmp(name, s, bytes) == 0 && name[bytes] == 0) return &w->slots[i];
    }
}

static bool grow(words *w)
{
    uint32_t capacity = w->capacity ? w->capacity * 2 : 64;
    if (capacity > UINT32_MAX / 4) return false;
    char **names = realloc(w->names, capacity * sizeof *names);
    if (names) w->names = names;
    uint32_t *slots = calloc((size_t)capacity * 2, sizeof *slots);
    if (!names || !slots) {
        free(slots);
        return false;
    }
    free(w->slots);
    w->slots = slots;
    w->slot_count = capacity * 2;
    w->capacity = capacity;
    for (uint32_t i = 0; i < w->count; i++) *find_slot(w, w->names[i], strlen(w->names[i])) = i + 1;
    return true;
}

static bool number_of(words *w, const char *s, size_t bytes, uint32_t *number)
{
    if (w->count == w->capacity && !grow(w)) return false;
    uint32_t *slot = find_slot(w, s, bytes);
    if (!*slot) {
        char *name = strndup(s, bytes);
        if (!name) return false;
        w->names[w->count++] = name;
        *slot = w->count;
    }
    *number = *slot - 1;
    return true;
}

attn_status words_number(words *w, const char *text, uint32_t **numbers, int64_t *count)
{
    size_t bytes = strlen(text);
    *count = 0;
    *numbers = malloc((bytes / 2 + 1) * sizeof **numbers);
    if (!*numbers) return status_fail(ATTN_ERROR_MEMORY, "no memory for the words of a line of %zu bytes", bytes);
    while (*text) {
        size_t length = strcspn(text, " ");
        if (!number_of(w, text, length, &(*numbers)[*count])) {
            free(*numbers);
            *numbers = NULL;
            return status_fail(ATTN_ERROR_MEMORY, "no memory for the words of a line of %zu bytes", bytes);
        }
        (*count)++;
        text += length + (text[length] == ' ');
    }
    return ATTN_OK;
}
