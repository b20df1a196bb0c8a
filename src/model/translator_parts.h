/* A translator's making in its three steps, which creating and opening share. */
#ifndef MODEL_TRANSLATOR_PARTS_H
#define MODEL_TRANSLATOR_PARTS_H

#include "model/translator.h"

/* Everything that takes no memory for weights: layers, options, and every parameter declared. */
attn_status translator_declare(translator **out, const translator_config *config);

/* Every pointer to the parameters, which have their memory. */
void translator_bind(translator *m);

/* Computed positions for encoder and decoder, where they are not learned. */
attn_status translator_compute_positions(translator *m);

#endif
