#include "train/schedule.h"

#include <math.h>

float schedule_rate(double peak, int64_t warmup, int64_t step)
{
    const double w = warmup > 1 ? (double)warmup : 1, s = step > 1 ? (double)step : 1;
    return (float)(peak * fmin(s / w, sqrt(w / s)));
}
