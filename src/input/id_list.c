#include "input/id_list.h"

#include <stdlib.h>

void id_list_append(id_list *l, int32_t id)
{
    if (l->count == l->capacity) {
        int64_t capacity = l->capacity ? 2 * l->capacity : 32;
        int32_t *grown = realloc(l->ids, (size_t)capacity * sizeof *grown);
        if (!grown) {
            l->failed = true;
            return;
        }
        l->ids = grown;
        l->capacity = capacity;
    }
    l->ids[l->count++] = id;
}
