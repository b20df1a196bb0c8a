/* The learning rate: linear warm-up, then the inverse square root of the step (Vaswani et al. 2017, equation 3), given
 * by its peak instead of the model's width; or the peak to the end. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "attn/seq.h"

/* peak * min(step / warmup, sqrt(warmup / step)), or for ATTN_SEQ_SCHEDULE_FLAT peak * min(step / warmup, 1); steps
 * count from 1; warmup 0 or less: from the peak at step 1. */
float schedule_rate(double peak, int64_t warmup, int64_t schedule, int64_t step);

#endif
