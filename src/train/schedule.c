#include "train/schedule.h"

#include <math.h>

float schedule_rate(double peak, int64_t warmup, int64_t schedule, int64_t step)
{
    const double w = warmup > 1 ? (double)warmup : 1, s = step > 1 ? (double)step : 1;
    const double after = schedule == ATTN_SEQ_SCHEDULE_FLAT ? 1 : sqrt(w / s);
    return (float)(peak * fmin(s / w, after));
}
