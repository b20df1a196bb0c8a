/* Pictures of what translations attended to. */
#ifndef CLI_TRANSLATE_ATTENTION_H
#define CLI_TRANSLATE_ATTENTION_H

#include "attn/seq.h"

typedef struct attention_picture {
    const char *path;    /* ends in .png or .html, or is "-": the terminal */
    int64_t layer, head; /* from 1; 0: the mean over all */
    int kind;            /* attn_seq_attention_kind */
    /* The HTML page's sentences, kept until the end. */
    attn_seq_attention_sentence *sentences;
    size_t count, capacity;
    int64_t weights;
} attention_picture;

/* False where the path's ending names no kind of picture. */
bool attention_picture_known(const char *path);
bool attention_picture_keeps(const attention_picture *p);

/* Draws the best hypothesis of one line, the `id`-th from 0; or, for the page, notes it, whose source and translation
 * are then kept until attention_picture_end. Returns 0, or 1 after a message. */
int attention_picture_add(attention_picture *p, const char *source, const attn_seq_hypothesis *h, int64_t id);

/* Writes the page, if it is one. */
int attention_picture_end(attention_picture *p);

#endif
