/* A test set: pairs read from a file, those of one source brought together. */
#ifndef CLI_EVAL_PAIRS_H
#define CLI_EVAL_PAIRS_H

#include "attn/seq.h"

typedef struct eval_source {
    const char *text;
    const char **references;
    int64_t reference_count;
} eval_source;

typedef struct eval_pairs {
    char *text; /* the file, its tabs and line feeds turned into NULs */
    attn_seq_pair *pairs;
    int64_t count, capacity;
    eval_source *sources; /* in the order of their first pairs */
    int64_t source_count;
    const char **references; /* of all sources */
} eval_pairs;

/* Reads SOURCE TAB TARGET lines; path "-" is standard input. 0, or 1 after a message. *out is overwritten, and must be
 * cleared also after a failure. */
int eval_pairs_read(eval_pairs *out, const char *path);
void eval_pairs_clear(eval_pairs *p);

#endif
