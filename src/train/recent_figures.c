#include "train/recent_figures.h"

#define FADING 0.99

void recent_figures_add(recent_figures *f, double loss, double tokens, double seconds)
{
    f->weight = FADING * f->weight + 1;
    f->loss = FADING * f->loss + loss;
    f->tokens = FADING * f->tokens + tokens;
    f->seconds = FADING * f->seconds + seconds;
}

double recent_loss(const recent_figures *f)
{
    return f->weight > 0 ? f->loss / f->weight : 0;
}

double recent_tokens_per_second(const recent_figures *f)
{
    return f->seconds > 0 ? f->tokens / f->seconds : 0;
}

double recent_seconds_per_step(const recent_figures *f)
{
    return f->weight > 0 ? f->seconds / f->weight : 0;
}
