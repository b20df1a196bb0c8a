/* Hugging Face's names for the weights of a Marian or BART model, and where each lives in a translator: the one place
 * that knows them. A parameter here has the name of its weight in model.safetensors. */
#ifndef MODEL_TRANSLATOR_NAMES_H
#define MODEL_TRANSLATOR_NAMES_H

#include "model/translator.h"
#include "model/weight_visitor.h"

/* The walk over a translator's weights; the layers' arrays exist already. */
attn_status translator_visit(void *translator, weight_visitor visit, void *argument);

/* Points the embeddings that share their weight with another to it, after the slots are set. */
void translator_tie(translator *m);

/* Other names under which files hold the same weight, NULL-terminated; NULL when there are none. Which of the names
 * of one tied weight a file uses has changed between versions of transformers. */
const char *const *translator_other_names(const void *translator, const char *name);

#define TRANSLATOR_OUTPUT_BIAS "final_logits_bias"
#define TRANSLATOR_ENCODER_EMBEDDING "model.encoder.embed_tokens.weight"
#define TRANSLATOR_DECODER_EMBEDDING "model.decoder.embed_tokens.weight"
#define TRANSLATOR_ENCODER_POSITIONS "model.encoder.embed_positions.weight"
#define TRANSLATOR_DECODER_POSITIONS "model.decoder.embed_positions.weight"

#endif
