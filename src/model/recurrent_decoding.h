/* What a recurrent decoder keeps between the steps of a search: its states, one row a hypothesis, and the memory that
 * each row attends to. */
#ifndef MODEL_RECURRENT_DECODING_H
#define MODEL_RECURRENT_DECODING_H

#include "model/recurrent_translator.h"

typedef struct recurrent_decoding recurrent_decoding;

/* On `memory`'s tape t, until that begins anew. At most `most_rows` hypotheses at once. */
attn_status recurrent_decoding_create(recurrent_decoding **out, tape *t, recurrent_translator *m,
                                      const recurrent_memory *memory, int64_t most_rows);

/* As seq2seq_family's step. */
tensor *recurrent_decoding_step(tape *t, recurrent_decoding *d, const int32_t *ids, const int64_t *from,
                                const int64_t *sequence_of, int64_t rows, int64_t position);

#endif
