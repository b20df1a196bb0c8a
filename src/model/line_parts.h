/* A line cut into parts that the model takes: whole where it is short enough, else at sentence ends. */
#ifndef MODEL_LINE_PARTS_H
#define MODEL_LINE_PARTS_H

#include "input/tokenizer.h"

typedef struct line_part {
    int32_t *ids; /* malloc'ed, ended by </s> */
    int64_t length;
    bool space_after; /* white space stood between this part and the next */
} line_part;

typedef struct line_parts {
    line_part *items;
    int64_t count, capacity;
    bool cut; /* the line is longer than one part may be */
} line_parts;

/* Cuts `text` into parts of at most `longest` (at least 2) pieces: at the ends of its sentences; a longer sentence in
 * halves, near its middle, after a comma or a semicolon, else at white space, else between two characters. White space
 * alone gives no part. Invalid UTF-8 is a FORMAT error. *out is overwritten, and must be cleared also after a failure.
 */
attn_status line_parts_cut(line_parts *out, const tokenizer *k, const char *text, size_t bytes, int64_t longest);

/* One part: the text's first longest - 1 pieces and </s>. */
attn_status line_parts_truncate(line_parts *out, const tokenizer *k, const char *text, size_t bytes, int64_t longest);

void line_parts_clear(line_parts *p);

#endif
