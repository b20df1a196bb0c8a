/* How good a model is on pairs that it does not learn from. */
#ifndef TRAIN_VALIDATION_H
#define TRAIN_VALIDATION_H

#include "model/seq2seq.h"
#include "train/stop_question.h"
#include "train/train_data.h"

/* Both end with ATTN_ERROR_INTERRUPTED when asked to stop. */

/* Nats per target token, without label smoothing. */
attn_status validation_loss(double *loss, const seq2seq *m, const train_data *data, int threads, stop_question stop);

/* What `score` gives for greedy results, at most ATTN_SEQ_TRAIN_SCORES; several targets of one source are references of
 * the same segment. *reachable: whether the references themselves have a first score above 0. Of lines of fewer than
 * four words BLEU is 0 when they are right, and more when something is added to them. */
typedef attn_status (*segments_scorer)(const attn_seq_segment *segments, int64_t count, double *scores);
attn_status validation_greedy(double *scores, bool *reachable, segments_scorer score, const seq2seq *m,
                              const train_data *data, int threads, stop_question stop);

#endif
