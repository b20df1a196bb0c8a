/* The classes of a data set: their names, each once, in an order that does not depend on the examples'. */
#ifndef INPUT_LABELS_H
#define INPUT_LABELS_H

#include "attn/attn.h"

typedef struct label_list {
    int64_t count, capacity;
    char **names;
    int64_t *slots; /* twice the capacity, a power of two: 1 + the index of a name, by its hash; 0: free */
} label_list;

/* The index of a name, added when it is new; -1 when memory is short. */
int64_t label_list_add(label_list *l, const char *name, size_t bytes);

/* The index of a name, -1 when it is none of them. */
int64_t label_list_find(const label_list *l, const char *name);

/* Appends names as they are, even one that is there already: finding it finds the first. */
attn_status label_list_copy(label_list *l, char *const *names, int64_t count);

/* Whole numbers by value, before all others by their bytes. place[i], of l->count, receives the new index of what was
 * at i. */
attn_status label_list_sort(label_list *l, int64_t *place);

/* Frees everything and zeroes *l. */
void label_list_clear(label_list *l);

#endif
