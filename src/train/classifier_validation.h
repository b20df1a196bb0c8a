/* How good a classifier is on examples that it does not learn from. */
#ifndef TRAIN_CLASSIFIER_VALIDATION_H
#define TRAIN_CLASSIFIER_VALIDATION_H

#include "output/class_scores.h"
#include "train/classifier_batch.h"
#include "train/stop_question.h"

/* Classifies every example: *loss in nats per example, and the answers added to counts (labels). INTERRUPTED when asked
 * to stop. */
attn_status classifier_validate(const classifier *model, const batch_maker *m, stop_question stop, double *loss,
                                class_count *counts);

#endif
