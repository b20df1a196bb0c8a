/* What ViT and AST share: an image (or a spectrogram) cut in patches, each projected to a token, learned tokens before
 * them, learned positions added, an encoder whose norms come first. */
#ifndef MODEL_PATCH_TRANSFORMER_H
#define MODEL_PATCH_TRANSFORMER_H

#include "model/classifier_functions.h"

typedef struct patch_parts {
    tensor *tokens[PREPEND_MOST];                /* (1, 1, d): class, and AST's distillation */
    tensor *projection_weight, *projection_bias; /* (d, channels, patch rows, patch columns), (d) */
    tensor *positions;                           /* (1, tokens, d) */
    tensor *norm_gamma, *norm_beta;              /* after the last layer */
    tensor *head_norm_gamma, *head_norm_beta;    /* AST */
} patch_parts;

/* Where one batch's patches come from, in elements from its start: an element of an image is
 * values[channel * channel_step + row * row_step + column * column_step]. */
typedef struct patch_layout {
    int64_t channel_step, row_step, column_step;
} patch_layout;

/* The fields that both have. */
attn_status patch_check(const classifier_config *c, const char *name);
void patch_read_qkv_bias(config *f, classifier_config *c);

/* A square's side, or two numbers, rows and columns. */
void patch_read_sides(config *f, const char *field, int64_t most, int64_t fallback, int64_t *rows, int64_t *columns);

/* One number where the sides are equal. */
json_t *patch_write_sides(int64_t rows, int64_t columns);

/* All weights but the head's; names begin with PREFIX, "vit.". */
attn_status patch_walk(classifier *m, const char *prefix, weight_visitor visit, void *argument);

/* New positions begin as sines and cosines, of the row in the first half of the width, of the column in the second; the
 * learned tokens' as they are. Small random ones leave a model to find out first where its patches lie, which takes
 * long on little data (Beyer et al., "Better plain ViT baselines for ImageNet-1k", 2022). */
void patch_begin(classifier *m);

/* The learned tokens after the encoder (B * classes, d), without the final norm. */
tensor *patch_encode(tape *t, const classifier *m, const classifier_input *in, patch_layout layout,
                     const attention_weights_sink *sink);

/* Learned token `which` of every image, of x (B * classes, d), after the final norm: (B, d). */
tensor *patch_token(tape *t, const classifier *m, tensor *x, int64_t batch, int64_t which);

#endif
