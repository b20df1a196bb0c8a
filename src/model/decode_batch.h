/* One rectangle of sentences through the encoder, then the decoder step by step, what it has seen so far kept. */
#ifndef MODEL_DECODE_BATCH_H
#define MODEL_DECODE_BATCH_H

#include "model/seq2seq.h"
#include "output/search.h"

/* A sentence as the encoder takes it: pieces ended by </s>. */
typedef struct token_list {
    const int32_t *ids;
    int64_t length; /* 1 .. the model's positions */
} token_list;

/* What decoding works with, kept from batch to batch; one thread at a time. */
typedef struct decode_workspace decode_workspace;

/* threads: workers of each operation; 0: all. */
attn_status decode_workspace_create(decode_workspace **out, int threads);
void decode_workspace_destroy(decode_workspace *w);

/* The most pieces that a sentence's translation may have, </s> among them. */
int64_t decode_longest(const seq2seq *m, int64_t source_length);

/* results (batch, n_best), as search_decode's. */
attn_status decode_batch(decode_workspace *w, const seq2seq *m, const search_options *options,
                         const token_list *sentences, int64_t batch, hypothesis *results);

#endif
