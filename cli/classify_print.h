/* What `attn classify` prints of each input. */
#ifndef CLI_CLASSIFY_PRINT_H
#define CLI_CLASSIFY_PRINT_H

#include "classify_source.h"

typedef struct classify_form {
    bool scores, json;
    const char *const *labels; /* the model's */
    int64_t label_count;
} classify_form;

/* One line: the label, after the path where the input has one; empty where there is no label. c is NULL where there was
 * no input to classify. */
void classify_print(const classify_form *form, const classify_item *item, const attn_seq_classification *c);

#endif
