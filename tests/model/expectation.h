/* What transformers computed with a model, read from expected.safetensors (tests/fixtures/make_marian.py says what is
 * in it), and compared with what the translator computes. */
#ifndef MODEL_EXPECTATION_H
#define MODEL_EXPECTATION_H

#include "model/translator.h"

typedef struct expectation {
    int64_t B, S, T, d, V;
    int32_t *source_ids, *target_ids; /* (B, S), (B, T) */
    int64_t *lengths;                 /* of the sources */
    float *encoder, *logits;          /* (B, S, d), (B, T, V) */
} expectation;

/* On failure the message is in status_message(), and *e is empty. */
attn_status expectation_read(expectation *e, const char *path);
void expectation_clear(expectation *e);

/* The largest difference, in encoder states and logits together: of the whole batch at once, and of one cached step
 * after the other. */
attn_status expectation_compare_whole(const expectation *e, translator *m, float *largest);
attn_status expectation_compare_steps(const expectation *e, translator *m, float *largest);

#endif
