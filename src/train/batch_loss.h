/* The loss of one batch: encoder, decoder, cross-entropy. */
#ifndef TRAIN_BATCH_LOSS_H
#define TRAIN_BATCH_LOSS_H

#include "input/batches.h"
#include "model/translator.h"

/* Runs the model on a tape that has begun: the loss of tape_cross_entropy, with the sum of -log p to *nll and the
 * number of target tokens to *counted. The caller asks tape_status. */
tensor *batch_loss(tape *t, translator *m, const batch *b, float label_smoothing, double *nll, int64_t *counted);

#endif
