/* The forms in which translations are printed. */
#ifndef CLI_TRANSLATE_PRINT_H
#define CLI_TRANSLATE_PRINT_H

#include "attn/seq.h"

typedef enum alignment_form { ALIGNMENT_NONE = -1, ALIGNMENT_SOFT, ALIGNMENT_HARD } alignment_form;

typedef struct translate_form {
    int64_t n_best; /* 0: one line for each line; else n-best lists */
    int alignment;  /* alignment_form */
    bool scores;
} translate_form;

/* One translated line on standard output; `id` counts lines from 0. */
void translate_print(const translate_form *form, const attn_seq_translation *t, int64_t id);

#endif
