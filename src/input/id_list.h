/* Token ids as they come. */
#ifndef INPUT_ID_LIST_H
#define INPUT_ID_LIST_H

#include <stdbool.h>
#include <stdint.h>

typedef struct id_list {
    int32_t *ids; /* malloc'ed */
    int64_t count, capacity;
    bool failed; /* memory was short: something is missing */
} id_list;

void id_list_append(id_list *l, int32_t id);

#endif
