/* An image or a spectrogram as the network saw it, with its patches and their names: what attention is laid over. */
#ifndef MODEL_PATCH_PICTURE_H
#define MODEL_PATCH_PICTURE_H

#include "model/seq_model.h"

typedef struct patch_picture {
    attn_seq_patches patches;
    uint8_t *pixels;
    char (*labels)[64]; /* of each position: "[CLS]", "row 2, column 3", "0.10-0.26 s, 20-310 Hz" */
} patch_picture;

/* values: what was prepared of one input. NULL without memory. */
patch_picture *patch_picture_create(const attn_seq_model *model, const float *values);
void patch_picture_free(patch_picture *p); /* NULL is ignored */

#endif
