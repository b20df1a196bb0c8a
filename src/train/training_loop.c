#include "train/training_loop.h"

#include "base/random.h"
#include "base/status.h"
#include "input/tokenizer.h"
#include "train/clip.h"
#include "train/model_directory.h"
#include "train/training.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define SECONDS_BETWEEN_CHECKPOINTS 300.0

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
    r->progress.rate = training_rate(r);
    adam_step(&r->state.adam, r->threads, (float)r->progress.rate, clip_scale(norm, r->o.clip), p->grads, p->values);
    r->state.step++;
    train_state_average(&r->state, r->o.average, r->threads);
    return ATTN_OK;
}

static attn_status save_checkpoint(training *r)
{
    attn_status s = checkpoint_save(&r->state, &r->o, r->kind->name, r->facts.fingerprint);
    if (s != ATTN_OK) return s;
    r->saved_at = r->clock.seconds;
    training_report(r, ATTN_SEQ_TRAIN_SAVED);
    return ATTN_OK;
}

/* Validates the weights that stand in the model now, and saves them when they are the best so far. */
static attn_status judge(training *r)
{
    attn_seq_train_progress *p = &r->progress;
    validation_result v = {.rank = NAN};
    stop_question stop = {r->o.stop, r->o.argument};
    attn_status s = r->facts.validates ? r->kind->validate(r->task, stop, &v) : ATTN_OK;
    if (s != ATTN_OK) return s;
    if (r->facts.validates) training_show_validation(r, &v);
    p->best = !(v.rank <= r->state.best); /* NaN, for want of validation data: the last is the best */
    r->state.validated = r->state.step;
    r->state.stale = p->best ? 0 : r->state.stale + 1;
    if (!p->best) return ATTN_OK;
    if (!isnan(v.rank)) r->state.best = v.rank;
    if (r->state.step == 0) r->state.start = r->state.best;
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
    training_update_progress(r);
    training_report(r, ATTN_SEQ_TRAIN_VALIDATED);
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
    training_update_progress(r);
    training_report(r, ATTN_SEQ_TRAIN_STEP);
    return ATTN_OK;
}

static bool ended_early(const training *r)
{
    return r->o.patience > 0 && r->state.stale >= r->o.patience;
}

/* Of a model that knows something already it is asked first how much: learning may do nothing but harm. */
static bool start_is_to_be_judged(const training *r)
{
    return r->o.from && r->facts.validates && isinf(r->state.best);
}

/* A step that was validated before the run was stopped is not validated again. */
static bool validation_due(const training *r)
{
    int64_t step = r->state.step;
    if (step == 0) return start_is_to_be_judged(r);
    if (step == r->state.validated) return false;
    int64_t every = r->o.valid_every > 0 ? r->o.valid_every : r->batches;
    return step % every == 0 || training_fraction_done(r) >= 1;
}

/* The best model so far lies in the directory alone, and may stay the best. */
static attn_status change_format(training *r)
{
    attn_status s = r->kind->rewrite(r->task);
    if (s != ATTN_OK) return s;
    training_tell(r, "the best model so far is written again in the other format");
    return ATTN_OK;
}

/* A checkpoint that was taken elsewhere without it, say: what comes has nothing to be better than. */
static void forget_best(training *r)
{
    if (r->state.validated == 0 && isinf(r->state.best)) return;
    r->state.best = r->state.start = -INFINITY;
    r->state.validated = r->state.stale = 0;
    training_tell(r, "model.safetensors is gone, and with it the best model so far: the next validation is the best");
}

static attn_status go_on(training *r)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/model.safetensors", r->o.model) >= (int)sizeof path)
        return status_fail(ATTN_ERROR_ARGUMENT, "%.60s...: the path is too long", r->o.model);
    const bool there = access(path, F_OK) == 0;
    if (!there) forget_best(r);
    if (!r->changes_format) return ATTN_OK;
    attn_status s = there ? change_format(r) : ATTN_OK;
    return s == ATTN_OK ? save_checkpoint(r) : s;
}

/* What began with another model is resumed without it: its configuration lies in the directory from now on.
 * Without a checkpoint a kill before the first in its time would leave a model that no run can go on from; a kill
 * before this one leaves the mark. */
static attn_status begin(training *r)
{
    if (r->o.start == ATTN_SEQ_TRAIN_RESUME) return go_on(r);
    attn_status s = model_directory_make_way(r->o.model, &r->replaces);
    if (s == ATTN_OK && r->o.from) s = model_directory_mark_beginning(r->o.model);
    if (s == ATTN_OK && r->o.from) s = tokenizer_copy(r->o.from, r->o.model);
    if (s == ATTN_OK && r->o.from) s = r->kind->save(r->task);
    if (s == ATTN_OK) s = save_checkpoint(r);
    if (s == ATTN_OK) model_directory_end_beginning(r->o.model);
    r->begins = s != ATTN_OK;
    return s;
}

static attn_status go_to_the_end(training *r)
{
    for (;;) {
        attn_status s = validation_due(r) ? validate_and_save(r) : ATTN_OK;
        if (s == ATTN_ERROR_INTERRUPTED || (s == ATTN_OK && asked_to_stop(r))) return stop_here(r);
        if (s != ATTN_OK || training_fraction_done(r) >= 1) return s;
        if (ended_early(r)) break;
        s = take_step(r);
        if (s == ATTN_OK && r->clock.seconds - r->saved_at >= SECONDS_BETWEEN_CHECKPOINTS) s = save_checkpoint(r);
        if (s != ATTN_OK) return s;
    }
    training_tell(r, "ended early: validations no longer get better");
    return ATTN_OK;
}

static attn_status run(training *r)
{
    training_update_progress(r);
    attn_status s = begin(r);
    if (s != ATTN_OK) return s;
    working_clock_start(&r->clock);
    if (training_fraction_done(r) >= 1)
        training_tell(r, "the run is at its end already: more epochs, steps or minutes would go on");
    s = go_to_the_end(r);
    if (s == ATTN_OK && isfinite(r->state.start) && r->state.best <= r->state.start)
        training_tell(r, "warning: no step made the model better than it was when the run began, so that what is saved "
                         "is that model; a lower rate or more examples may help");
    return s;
}

attn_status training_run(const training_kind *kind, void *task, const attn_seq_train_options *options)
{
    if (!options || options->struct_size != sizeof *options)
        return status_fail(ATTN_ERROR_ARGUMENT, "options must come from attn_seq_train_options_init of this version");
    if (!options->model) return status_fail(ATTN_ERROR_ARGUMENT, "model is NULL, expected a directory");
    training r = {.kind = kind, .task = task, .o = *options, .lock = -1, .planned_epoch = -1};
    r.progress = training_progress_before(kind);
    attn_status s = training_prepare(&r);
    if (s == ATTN_OK) s = plan_epoch(&r, 0);
    if (s == ATTN_OK) s = run(&r);
    if (s != ATTN_OK && r.begins && (!r.replaces || r.made_directory))
        model_directory_abandon(r.o.model, r.made_directory);
    if (s != ATTN_OK && r.made_directory) rmdir(r.o.model); /* which it refuses once something is in it */
    training_clear(&r);
    return s;
}
