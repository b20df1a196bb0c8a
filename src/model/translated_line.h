/* From the parts of a line and their hypotheses to what attn_seq_translate gives. */
#ifndef MODEL_TRANSLATED_LINE_H
#define MODEL_TRANSLATED_LINE_H

#include "model/line_parts.h"
#include "model/seq_model.h"
#include "output/search.h"

/* One line on its way. */
typedef struct line_work {
    line_parts parts;
    hypothesis *hypotheses; /* (parts, n_best), borrowed */
    attn_status status;     /* of this line */
    char message[200];
} line_work;

/* Fills *out from a line whose parts are decoded, or that failed. `t` runs the passes that look at attention. *out is
 * overwritten, and must be cleared also after a failure. Only what is no fault of the line is returned. */
attn_status translated_line_make(attn_seq_translation *out, const attn_seq_model *model,
                                 const attn_seq_translate_options *options, const line_work *line, tape *t);
void translated_line_clear(attn_seq_translation *out);

#endif
