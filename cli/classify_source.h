/* What is to be classified, window by window: lines of text; images and sound, from files that are named as operands,
 * or, one path a line, in files that are no image or sound themselves or on standard input, or the one that standard
 * input is. */
#ifndef CLI_CLASSIFY_SOURCE_H
#define CLI_CLASSIFY_SOURCE_H

#include "classify_item.h"

#define KIND_UNKNOWN (-1)

typedef struct classify_source classify_source;

/* kind: an attn_seq_input_kind, or KIND_UNKNOWN: it is told from the first bytes of the first operand that can be
 * read, or of standard input, or from what its first line names. files of count; none: standard input. NULL after
 * telling what failed. */
classify_source *classify_source_open(const char *command, char **files, int count, int kind);
void classify_source_close(classify_source *s); /* NULL is ignored */

attn_seq_input_kind classify_source_kind(const classify_source *s);

/* The next items, valid until the next call. Returns how many; 0 at the end; -1 after telling what failed. */
int64_t classify_source_next(classify_source *s, classify_item **items);

#endif
