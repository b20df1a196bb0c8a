/* What a translation attended to: the attention weights of an uncached pass over a source and its target. */
#ifndef MODEL_ATTENTION_PASS_H
#define MODEL_ATTENTION_PASS_H

#include "model/decode_batch.h"

/* Where one part of a line lies in the arrays of the whole line, each (layers, heads, rows, columns). What lies between
 * parts stays as it was. */
typedef struct attend_block {
    int64_t source_offset, source_total;
    int64_t target_offset, target_total;
} attend_block;

/* Writes the part's block of the encoder's (source by source), the decoder's (target by target) and the cross (target
 * by source) weights. Row i of the target's is the step that chose target.ids[i]: its column j of the decoder's is the
 * token before target.ids[j], the start token first. */
attn_status attend_part(tape *t, const seq2seq *m, token_list source, token_list target, const attend_block *block,
                        float *encoder, float *decoder, float *cross);

/* The cross attention of the last layer but one (the only one where there is one), averaged over heads, into mean
 * (target, source); zeros where the model has none. */
attn_status attend_alignment(tape *t, const seq2seq *m, token_list source, token_list target, float *mean);

#endif
