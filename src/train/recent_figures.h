/* Loss and speed of the last steps: sums that fade, so that about the last 100 steps count. */
#ifndef TRAIN_RECENT_FIGURES_H
#define TRAIN_RECENT_FIGURES_H

typedef struct recent_figures {
    double weight, loss, units, seconds;
} recent_figures;

/* One step's loss, units (tokens, images) and seconds. */
void recent_figures_add(recent_figures *f, double loss, double units, double seconds);

/* 0 before the first step. */
double recent_loss(const recent_figures *f);
double recent_units_per_second(const recent_figures *f);
double recent_seconds_per_step(const recent_figures *f);

#endif
