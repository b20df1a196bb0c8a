/* How good a classifier is on examples that it does not learn from. */
#ifndef TRAIN_CLASSIFIER_VALIDATION_H
#define TRAIN_CLASSIFIER_VALIDATION_H

#include "train/classifier_batch.h"
#include "train/stop_question.h"

/* Classifies every example: *loss in nats per example, and counts of answers added to confusion (labels, labels) as
 * class_scores_of takes it. INTERRUPTED when asked to stop. */
attn_status classifier_validate(const classifier *model, const batch_maker *m, stop_question stop, double *loss,
                                int64_t *confusion);

#endif
