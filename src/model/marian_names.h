/* Hugging Face's names for the weights of a Marian model, and where each lives in a translator: the one place that
 * knows them. A parameter here has the name of its weight in model.safetensors. */
#ifndef MODEL_MARIAN_NAMES_H
#define MODEL_MARIAN_NAMES_H

#include "model/translator.h"

typedef attn_status (*marian_visitor)(void *argument, tensor **slot, const char *name, int rank, const int64_t *shape);

/* Calls visit for every weight that m->config asks for, always in the same order, until one fails. `slot` is the member
 * of *m that points to it; the layers' arrays exist already. */
attn_status marian_visit(translator *m, marian_visitor visit, void *argument);

/* Points the embeddings that share their weight with another to it, after the slots are set. */
void marian_tie(translator *m);

/* Other names under which files hold the same weight, NULL-terminated; NULL when there are none. Which of the names
 * of one tied weight a file uses has changed between versions of transformers. */
const char *const *marian_other_names(const translator_config *c, const char *name);

#define MARIAN_OUTPUT_BIAS "final_logits_bias"
#define MARIAN_ENCODER_EMBEDDING "model.encoder.embed_tokens.weight"
#define MARIAN_DECODER_EMBEDDING "model.decoder.embed_tokens.weight"
#define MARIAN_ENCODER_POSITIONS "model.encoder.embed_positions.weight"
#define MARIAN_DECODER_POSITIONS "model.decoder.embed_positions.weight"

#endif
