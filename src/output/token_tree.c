#include "output/token_tree.h"

#include "base/status.h"

#include <stdlib.h>

attn_status token_tree_add(token_tree *t, int32_t id, int64_t parent, int64_t *node)
{
    if (t->count == t->capacity) {
        const int64_t capacity = t->capacity ? t->capacity * 2 : 1024;
        token_node *grown = realloc(t->nodes, (size_t)capacity * sizeof *grown);
        if (!grown) return status_fail(ATTN_ERROR_MEMORY, "no memory for %lld tokens", (long long)capacity);
        t->nodes = grown;
        t->capacity = capacity;
    }
    t->nodes[t->count] = (token_node){parent, id};
    *node = t->count++;
    return ATTN_OK;
}

void token_tree_clear(token_tree *t)
{
    free(t->nodes);
    *t = (token_tree){0};
}

void token_tree_path(const token_tree *t, int64_t node, int64_t length, int32_t *ids)
{
    for (; node >= 0; node = t->nodes[node].parent) ids[--length] = t->nodes[node].id;
}
