/* The loss of one batch: the model, cross-entropy. */
#ifndef TRAIN_BATCH_LOSS_H
#define TRAIN_BATCH_LOSS_H

#include "input/batches.h"
#include "model/seq2seq.h"

/* Runs the model on a tape that has begun: the loss of tape_cross_entropy, with the sum of -log p to *nll and the
 * number of target tokens to *counted. The caller asks tape_status. */
tensor *batch_loss(tape *t, const seq2seq *m, const batch *b, float label_smoothing, double *nll, int64_t *counted);

#endif
