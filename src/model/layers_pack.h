/* The weights of all products of Transformer layers in the form that is fast, for a model that is not trained. */
#ifndef MODEL_LAYERS_PACK_H
#define MODEL_LAYERS_PACK_H

#include "hidden/transformer.h"

attn_status layers_pack(const transformer_layer *layers, int64_t count);

#endif
