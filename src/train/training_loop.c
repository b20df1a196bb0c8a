#include "train/training_loop.h"

#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "train/checkpoint.h"
#include "train/clip.h"
#include "train/model_directory.h"
#include "train/recent_figures.h"
#include "train/schedule.h"
#include "train/train_state.h"
#include "train/working_clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the random numbers are for: each purpose has a key of its own under the seed. */
enum { KEY_WEIGHTS = 1, KEY_EPOCH, KEY_DROPOUT, KEY_FETCH };

#define SECONDS_BETWEEN_CHECKPOINTS 300.0

typedef struct training {
    const training_kind *kind;
    void *task;
    attn_seq_train_options o; /* complete */
    int threads;
    bool made_directory;
    int lock; /* on the directory; -1: none */
    checkpoint checkpoint;
    training_data_facts facts;
    train_state state;
    tape *tape;
    int64_t batches;       /* of an epoch */
    int64_t planned_epoch; /* -1: none */
    working_clock clock;
    double saved_at; /* the clock's seconds at the last checkpoint */
    recent_figures recent;
    attn_seq_train_progress progress;
} training;

static void report(training *r, attn_seq_train_event event, const char *message)
{
    if (!r->o.progress) return;
    r->progress.event = event;
    r->progress.message = message;
    r->o.progress(r->o.argument, &r->progress);
}

static void tell(void *argument, const char *message)
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

/* The fraction of the run that is done: 1 at its end. */
static double fraction_done(const training *r)
{
    int64_t steps = planned_steps(r);
    double by_steps = steps > 0 ? (double)r->state.step / (double)steps : 0;
    double by_clock = r->o.minutes > 0 ? r->clock.seconds / (60 * r->o.minutes) : 0;
    return fmin(1, fmax(by_steps, by_clock));
}

static double rate_now(const training *r)
{
    double left = 1 - fraction_done(r);
    double cooling = left < r->o.cooldown ? left / r->o.cooldown : 1;
    return cooling * schedule_rate(r->o.rate, r->o.warmup, r->o.schedule, r->state.step + 1);
}

/* The seed's key for a purpose, and for each time it is needed. */
static uint64_t key_for(const training *r, int purpose, int64_t time)
{
    return random_derive(random_derive((uint64_t)r->o.seed, (uint64_t)purpose), (uint64_t)time);
}

static attn_status plan_epoch(training *r, int64_t epoch)
{
    if (r->planned_epoch == epoch) return ATTN_OK;
    r->planned_epoch = epoch;
    return r->kind->plan(r->task, key_for(r, KEY_EPOCH, epoch), &r->batches);
}

static attn_status next_batch(training *r)
{
    attn_status s = plan_epoch(r, r->state.step / r->batches);
    if (s != ATTN_OK) return s;
    return r->kind->fetch(r->task, r->state.step % r->batches, key_for(r, KEY_FETCH, r->state.step));
}

static attn_status learn(training *r, step_figures *figures)
{
    parameters *p = r->state.parameters;
    parameters_begin_gradients(p);
    tape_begin(r->tape, key_for(r, KEY_DROPOUT, r->state.step));
    tensor *loss = r->kind->loss(r->task, r->tape, figures);
    attn_status s = tape_status(r->tape);
    if (s == ATTN_OK) s = tape_backward(r->tape, loss);
    if (s != ATTN_OK) return s;
    parameters_end_gradients(p);
    double norm = gradient_norm(r->threads, p->total, p->grads);
    if (!isfinite(norm))
        return status_fail(ATTN_ERROR_ARGUMENT,
                           "the gradient is not finite at step %lld: training diverged; a lower rate than %g may help",
                           (long long)r->state.step + 1, r->o.rate);
    r->progress.rate = rate_now(r);
    adam_step(&r->state.adam, r->threads, (float)r->progress.rate, clip_scale(norm, r->o.clip), p->grads, p->values);
    r->state.step++;
    train_state_average(&r->state, r->o.average, r->threads);
    return ATTN_OK;
}

static void update_progress(training *r)
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

static attn_status save_checkpoint(training *r)
{
    attn_status s = checkpoint_save(&r->state, &r->o, r->kind->name, r->facts.fingerprint);
    if (s != ATTN_OK) return s;
    r->saved_at = r->clock.seconds;
    report(r, ATTN_SEQ_TRAIN_SAVED, NULL);
    return ATTN_OK;
}

static void show_validation(attn_seq_train_progress *p, const validation_result *v)
{
    p->valid_loss = v->loss;
    for (int i = 0; i < p->valid_score_count; i++) p->valid_scores[i].value = v->scores[i];
}

/* Validates the weights that stand in the model now, and saves them when they are the best so far. */
static attn_status judge(training *r)
{
    attn_seq_train_progress *p = &r->progress;
    validation_result v = {.rank = NAN};
    stop_question stop = {r->o.stop, r->o.argument};
    attn_status s = r->facts.validates ? r->kind->validate(r->task, stop, &v) : ATTN_OK;
    if (s != ATTN_OK) return s;
    if (r->facts.validates) show_validation(p, &v);
    p->best = !(v.rank <= r->state.best); /* NaN, for want of validation data: the last is the best */
    r->state.validated = r->state.step;
    r->state.stale = p->best ? 0 : r->state.stale + 1;
    if (!p->best) return ATTN_OK;
    if (!isnan(v.rank)) r->state.best = v.rank;
    return r->kind->save(r->task);
}

static attn_status validate_and_save(training *r)
{
    train_state_swap(&r->state);
    attn_status s = judge(r);
    train_state_swap(&r->state);
    if (s != ATTN_OK) return s;
    working_clock_count(&r->clock, SECONDS_BETWEEN_CHECKPOINTS);
    r->state.seconds = r->clock.seconds;
    update_progress(r);
    report(r, ATTN_SEQ_TRAIN_VALIDATED, NULL);
    s = save_checkpoint(r);
    working_clock_start(&r->clock);
    return s;
}

static bool asked_to_stop(const training *r)
{
    return r->o.stop && r->o.stop(r->o.argument);
}

static attn_status stop_here(training *r)
{
    attn_status s = save_checkpoint(r);
    if (s != ATTN_OK) return s;
    return status_fail(ATTN_ERROR_INTERRUPTED, "stopped after step %lld, which %s/checkpoint.safetensors holds",
                       (long long)r->state.step, r->o.model);
}

static attn_status take_step(training *r)
{
    step_figures f = {0};
    attn_status s = next_batch(r);
    if (s == ATTN_OK) s = learn(r, &f);
    if (s != ATTN_OK) return s;
    recent_figures_add(&r->recent, f.nll / (double)f.counted, (double)f.units, working_clock_tick(&r->clock));
    r->state.seconds = r->clock.seconds;
    update_progress(r);
    report(r, ATTN_SEQ_TRAIN_STEP, NULL);
    return ATTN_OK;
}

static bool ended_early(const training *r)
{
    return r->o.patience > 0 && r->state.stale >= r->o.patience;
}

/* A step that was validated before the run was stopped is not validated again. */
static bool validation_due(const training *r)
{
    int64_t step = r->state.step;
    if (step == 0 || step == r->state.validated) return false;
    int64_t every = r->o.valid_every > 0 ? r->o.valid_every : r->batches;
    return step % every == 0 || fraction_done(r) >= 1;
}

static attn_status run(training *r)
{
    update_progress(r);
    /* Without one, a kill before the first in its time would leave a model that no run can go on from. */
    attn_status begun = r->o.start == ATTN_SEQ_TRAIN_RESUME ? ATTN_OK : save_checkpoint(r);
    if (begun != ATTN_OK) return begun;
    working_clock_start(&r->clock);
    if (fraction_done(r) >= 1) tell(r, "the run is at its end already: more epochs, steps or minutes would go on");
    for (;;) {
        attn_status s = validation_due(r) ? validate_and_save(r) : ATTN_OK;
        if (s == ATTN_ERROR_INTERRUPTED || (s == ATTN_OK && asked_to_stop(r))) return stop_here(r);
        if (s != ATTN_OK || fraction_done(r) >= 1) return s;
        if (ended_early(r)) break;
        s = take_step(r);
        if (s == ATTN_OK && r->clock.seconds - r->saved_at >= SECONDS_BETWEEN_CHECKPOINTS) s = save_checkpoint(r);
        if (s != ATTN_OK) return s;
    }
    tell(r, "ended early: validations no longer get better");
    return ATTN_OK;
}

static attn_status complete(training *r)
{
    const setting_default *defaults = NULL;
    attn_status s = r->kind->defaults ? r->kind->defaults(r->task, &r->o, &defaults) : ATTN_OK;
    return s == ATTN_OK ? settings_complete(&r->o, defaults, r->kind->learns_from) : s;
}

/* The checkpoint's settings, where none were said. */
static attn_status take_up(training *r)
{
    attn_status s = checkpoint_open(&r->checkpoint, r->o.model, r->kind->name);
    if (s == ATTN_OK) s = checkpoint_adopt(&r->checkpoint, &r->o);
    return s == ATTN_OK ? complete(r) : s;
}

static attn_status load(training *r, bool begin)
{
    r->threads = r->o.threads > 0 ? (int)r->o.threads : parallel_default_threads();
    const training_setup setup = {&r->o, begin, r->threads, &r->state.step, {tell, r}};
    return r->kind->load(r->task, &setup, &r->facts);
}

static attn_status create_state(training *r)
{
    parameters *p = NULL;
    attn_status s = r->kind->create(r->task, random_derive((uint64_t)r->o.seed, KEY_WEIGHTS), &p);
    return s == ATTN_OK ? train_state_create(&r->state, p, r->o.weight_decay, r->o.average > 0) : s;
}

static attn_status prepare(training *r)
{
    bool resume = r->o.start == ATTN_SEQ_TRAIN_RESUME;
    attn_status s = resume ? ATTN_OK : complete(r);
    if (s == ATTN_OK) s = model_directory_take(r->o.model, !resume, &r->made_directory, &r->lock);
    if (s == ATTN_OK && !resume) s = model_directory_clear(r->o.model, r->o.start == ATTN_SEQ_TRAIN_REPLACE);
    if (s == ATTN_OK && resume) s = take_up(r);
    if (s == ATTN_OK) s = load(r, !resume);
    if (s == ATTN_OK) s = create_state(r);
    if (s == ATTN_OK && resume) s = checkpoint_restore(&r->checkpoint, &r->state, r->facts.fingerprint);
    if (s == ATTN_OK) s = tape_create(&r->tape, TAPE_TRAIN, r->threads);
    if (s == ATTN_OK) s = tape_set_products(r->tape, r->o.compute == ATTN_SEQ_COMPUTE_BF16 ? DENSE_BF16 : DENSE_FP32);
    if (s == ATTN_OK) s = plan_epoch(r, 0);
    r->clock.seconds = r->saved_at = r->state.seconds;
    return s;
}

static void clear(training *r)
{
    tape_destroy(r->tape);
    train_state_clear(&r->state);
    r->kind->clear(r->task);
    checkpoint_clear(&r->checkpoint);
    if (r->lock >= 0) close(r->lock);
}

static attn_seq_train_progress progress_before(const training_kind *kind)
{
    attn_seq_train_progress p = {.unit = kind->unit, .valid_loss = NAN};
    for (int i = 0; i < ATTN_SEQ_TRAIN_SCORES && kind->scores[i]; i++)
        p.valid_scores[p.valid_score_count++] = (attn_seq_train_score){kind->scores[i], NAN};
    return p;
}

attn_status training_run(const training_kind *kind, void *task, const attn_seq_train_options *options)
{
    if (!options || options->struct_size != sizeof *options)
        return status_fail(ATTN_ERROR_ARGUMENT, "options must come from attn_seq_train_options_init of this version");
    if (!options->model) return status_fail(ATTN_ERROR_ARGUMENT, "model is NULL, expected a directory");
    training r = {.kind = kind, .task = task, .o = *options, .lock = -1, .planned_epoch = -1};
    r.progress = progress_before(kind);
    attn_status s = prepare(&r);
    if (s == ATTN_OK) s = run(&r);
    if (s != ATTN_OK && r.made_directory) rmdir(r.o.model); /* which it refuses once something is in it */
    clear(&r);
    return s;
}
