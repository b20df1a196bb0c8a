/* How much attention each word of a translation paid to each word of its source. */
#ifndef MODEL_WORD_ALIGNMENT_H
#define MODEL_WORD_ALIGNMENT_H

#include "model/decode_batch.h"
#include "model/translated_line.h"

/* Fills h's words and alignment from the parts' sources and targets. */
attn_status word_alignment(attn_seq_hypothesis *h, const attn_seq_model *model, const line_work *line,
                           const token_list *sources, const token_list *targets, tape *t);

#endif
