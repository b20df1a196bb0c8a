#include "train/recent_figures.h"

#define FADING 0.99

void recent_figures_add(recent_figures *f, double loss, double units, double seconds)
{
    f->weight = FADING * f->weight + 1;
    f->loss = FADING * f->loss + loss;
    f->units = FADING * f->units + units;
    f->seconds = FADING * f->seconds + seconds;
}

double recent_loss(const recent_figures *f)
{
    return f->weight > 0 ? f->loss / f->weight : 0;
}

double recent_units_per_second(const recent_figures *f)
{
    return f->seconds > 0 ? f->units / f->seconds : 0;
}

double recent_seconds_per_step(const recent_figures *f)
{
    return f->weight > 0 ? f->seconds / f->weight : 0;
}
