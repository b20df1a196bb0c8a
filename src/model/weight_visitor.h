/* How the walk over a model's weights is written: each family has one function that calls a visitor for every weight
 * that its configuration asks for, always in the same order, until one fails. `slot` is the member of the model that
 * points to the weight; `name` is its name in model.safetensors and of its parameter. */
#ifndef MODEL_WEIGHT_VISITOR_H
#define MODEL_WEIGHT_VISITOR_H

#include "hidden/transformer.h"

typedef attn_status (*weight_visitor)(void *argument, tensor **slot, const char *name, int rank, const int64_t *shape);

/* The walk; `model` is what the family's function knows it to be. */
typedef attn_status (*weight_walk)(void *model, weight_visitor visit, void *argument);

/* Declares every weight of the walk as a parameter. */
attn_status weights_declare(parameters *p, weight_walk walk, void *model);

/* Points every slot to its parameter, after parameters_allocate. */
void weights_bind(parameters *p, weight_walk walk, void *model);

/* ---- for walks ------------------------------------------------------------------------------------------------ */

attn_status visit_vector(weight_visitor visit, void *argument, tensor **slot, const char *name, int64_t size);
attn_status visit_matrix(weight_visitor visit, void *argument, tensor **slot, const char *name, int64_t rows,
                         int64_t columns);

/* d: the model's width, f: the feed-forward layer's, k: that of the keys and values, h: a head's. */
typedef enum layer_weight_shape {
    LAYER_WEIGHT_D,
    LAYER_WEIGHT_F,
    LAYER_WEIGHT_DD,
    LAYER_WEIGHT_FD,
    LAYER_WEIGHT_DF,
    LAYER_WEIGHT_K,
    LAYER_WEIGHT_KD,
    LAYER_WEIGHT_H /* of norms of queries and keys: left out where the stack has h 0 */
} layer_weight_shape;

/* One weight of every Transformer layer: the member of transformer_layer, and its family's name for it after the
 * layer's number. */
typedef struct layer_weight {
    size_t member; /* offsetof(transformer_layer, ...) */
    const char *name;
    layer_weight_shape shape;
    bool decoder_only; /* cross-attention */
} layer_weight;

/* A stack of layers, named PREFIX N . NAME: "bert.encoder.layer." 0 "." "output.dense.weight". */
typedef struct layer_stack {
    transformer_layer *layers;
    int64_t count;
    bool decoder;
    const char *prefix;
    int64_t d, f, k, h; /* k and h: for the weights of these shapes */
} layer_stack;

/* All weights of all layers. */
attn_status visit_layers(weight_visitor visit, void *argument, const layer_stack *stack, const layer_weight *weights,
                         size_t weight_count);

#endif
