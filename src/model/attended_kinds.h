/* The three kinds of attention of one hypothesis, in every layer and head, with the pieces as labels. */
#ifndef MODEL_ATTENDED_KINDS_H
#define MODEL_ATTENDED_KINDS_H

#include "model/decode_batch.h"
#include "model/seq_model.h"

/* Fills h->attention. ATTN_ERROR_UNSUPPORTED where the weights would be more than 2^27. */
attn_status attended_kinds(attn_seq_hypothesis *h, const attn_seq_model *model, const token_list *sources,
                           const token_list *targets, int64_t parts, tape *t);
void attended_kinds_free(const attn_seq_attention *attention);

#endif
