/* What one classified input attended to, in every layer and head, with the labels of its positions. */
#ifndef MODEL_LOOKED_AT_H
#define MODEL_LOOKED_AT_H

#include "model/patch_picture.h"
#include "model/prepared_input.h"
#include "tensor/tape.h"

/* The weights that the pass of one input over the model is to fill: (heads, rows, columns) of each layer. */
typedef struct looked_at {
    attn_seq_attention attention; /* first: its address is the block's */
    attention_weights_sink sink;
    float *weights;
    float **layers; /* into weights */
    const char **labels;
    patch_picture *picture; /* of what is no text, and then of the labels; else NULL */
} looked_at;

/* NULL with ATTN_ERROR_UNSUPPORTED where the weights would be more than 2^27, and with ATTN_ERROR_MEMORY. */
attn_status looked_at_create(looked_at **out, const attn_seq_model *model, const prepared_input *input);
void looked_at_free(const attn_seq_attention *attention); /* NULL is ignored */

#endif
