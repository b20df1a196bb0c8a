/* One input made into what a classifier takes: ids of text, or values of images and sound. */
#ifndef MODEL_PREPARED_INPUT_H
#define MODEL_PREPARED_INPUT_H

#include "model/seq_model.h"

typedef struct prepared_input {
    attn_status status; /* what is wrong with the input itself; then nothing is there */
    char message[256];
    bool blank;     /* a text of white space alone: nothing is there */
    bool cut;       /* the text has more pieces than the model has positions */
    int32_t *ids;   /* of text, `length` of them */
    int64_t length; /* positions */
    float *values;  /* of an image or sound */
} prepared_input;

/* ATTN_OK whatever is wrong with the input; else ATTN_ERROR_MEMORY. */
attn_status prepared_input_make(prepared_input *p, const attn_seq_model *model, const attn_seq_input *input);
void prepared_input_clear(prepared_input *p);

#endif
