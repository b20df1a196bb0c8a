/* How good a model is on pairs that it does not learn from. */
#ifndef TRAIN_VALIDATION_H
#define TRAIN_VALIDATION_H

#include "model/translator.h"
#include "train/train_data.h"

typedef struct validation {
    double loss; /* nats per target token, no label smoothing */
    double bleu; /* of greedy translations, 0 to 100 */
} validation;

/* stop, asked between batches, may be NULL: true ends it early with ATTN_ERROR_INTERRUPTED. */
attn_status validate(validation *out, translator *m, const train_data *data, int threads, bool (*stop)(void *argument),
                     void *argument);

#endif
