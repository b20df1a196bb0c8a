/* Any number of sentences: sorted by length, cut into batches, each batch decoded by one worker. */
#ifndef MODEL_DECODE_SENTENCES_H
#define MODEL_DECODE_SENTENCES_H

#include "model/decode_batch.h"

/* results (count, n_best), as search_decode's, in the sentences' order. options->threads: workers, 0 for as many as
 * this process may use. */
attn_status decode_sentences(const seq2seq *m, const search_options *options, const token_list *sentences,
                             int64_t count, hypothesis *results);

#endif
