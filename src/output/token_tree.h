/* The tokens of a search's hypotheses: those that share a beginning share its nodes. */
#ifndef OUTPUT_TOKEN_TREE_H
#define OUTPUT_TOKEN_TREE_H

#include "attn/attn.h"

/* One token of a hypothesis and where the tokens before it are. */
typedef struct token_node {
    int64_t parent; /* -1: first token */
    int32_t id;
} token_node;

/* All zero: empty. */
typedef struct token_tree {
    token_node *nodes;
    int64_t count, capacity;
} token_tree;

attn_status token_tree_add(token_tree *t, int32_t id, int64_t parent, int64_t *node);
void token_tree_clear(token_tree *t);

/* The tokens up to the node, which are `length`; a node of -1 has none. */
void token_tree_path(const token_tree *t, int64_t node, int64_t length, int32_t *ids);

#endif
