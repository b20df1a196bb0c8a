#include "train/schedule.h"
#include "train/training.h"

#include <math.h>

attn_seq_train_progress training_progress_before(const training_kind *kind)
{
    attn_seq_train_progress p = {.unit = kind->unit, .valid_loss = NAN};
    for (int i = 0; i < ATTN_SEQ_TRAIN_SCORES && kind->scores[i]; i++)
        p.valid_scores[p.valid_score_count++] = (attn_seq_train_score){kind->scores[i], NAN};
    return p;
}

static void report(training *r, attn_seq_train_event event, const char *message)
{
    if (!r->o.progress) return;
    r->progress.event = event;
    r->progress.message = message;
    r->o.progress(r->o.argument, &r->progress);
}

void training_report(training *r, attn_seq_train_event event)
{
    report(r, event, NULL);
}

void training_tell(void *argument, const char *message)
{
    report(argument, ATTN_SEQ_TRAIN_NOTICE, message);
}

/* Steps that the run takes, 0 where only the clock ends it. */
static int64_t planned_steps(const training *r)
{
    int64_t by_epochs = r->o.epochs * r->batches, steps = r->o.steps;
    if (by_epochs == 0 || (steps > 0 && steps < by_epochs)) return steps;
    return by_epochs;
}

double training_fraction_done(const training *r)
{
    int64_t steps = planned_steps(r);
    double by_steps = steps > 0 ? (double)r->state.step / (double)steps : 0;
    double by_clock = r->o.minutes > 0 ? r->clock.seconds / (60 * r->o.minutes) : 0;
    return fmin(1, fmax(by_steps, by_clock));
}

double training_rate(const training *r)
{
    double left = 1 - training_fraction_done(r);
    double cooling = left < r->o.cooldown ? left / r->o.cooldown : 1;
    return cooling * schedule_rate(r->o.rate, r->o.warmup, r->o.schedule, r->state.step + 1);
}

void training_update_progress(training *r)
{
    attn_seq_train_progress *p = &r->progress;
    p->step = r->state.step;
    p->steps = planned_steps(r);
    p->epoch = (double)r->state.step / (double)r->batches;
    p->seconds = r->clock.seconds;
    p->loss = recent_loss(&r->recent);
    p->units_per_second = recent_units_per_second(&r->recent);
    double by_steps = p->steps > 0 ? (double)(p->steps - p->step) * recent_seconds_per_step(&r->recent) : INFINITY;
    double by_clock = r->o.minutes > 0 ? 60 * r->o.minutes - p->seconds : INFINITY;
    p->remaining = fmax(0, fmin(by_steps, by_clock));
}

void training_show_validation(training *r, const validation_result *v)
{
    attn_seq_train_progress *p = &r->progress;
    p->valid_loss = v->loss;
    for (int i = 0; i < p->valid_score_count; i++) p->valid_scores[i].value = v->scores[i];
}
