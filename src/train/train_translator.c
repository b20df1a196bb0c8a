#include "attn/seq.h"

#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "train/batch_loss.h"
#include "train/checkpoint.h"
#include "train/clip.h"
#include "train/model_directory.h"
#include "train/recent_figures.h"
#include "train/schedule.h"
#include "train/settings.h"
#include "train/train_data.h"
#include "train/train_state.h"
#include "train/validation.h"
#include "train/working_clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the random numbers are for: each purpose has a key of its own under the seed. */
enum { KEY_WEIGHTS = 1, KEY_EPOCH, KEY_DROPOUT };

#define SECONDS_BETWEEN_CHECKPOINTS 300.0

typedef struct training {
    attn_seq_train_options o; /* complete */
    int threads;
    bool made_directory;
    int lock; /* on the directory; -1: none */
    checkpoint checkpoint;
    train_data data;
    train_state state;
    tape *tape;
    batch_plan plan;
    int64_t planned_epoch; /* -1: none */
    batch batch;
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

/* Steps that the run takes, 0 where only the clock ends it. The plan's batch count is the same in every epoch: the
 * lengths, sorted, are. */
static int64_t planned_steps(const training *r)
{
    int64_t by_epochs = r->o.epochs * r->plan.count, steps = r->o.steps;
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
    return cooling * schedule_rate(r->o.rate, r->o.warmup, r->state.step + 1);
}

static attn_status plan_epoch(training *r, int64_t epoch)
{
    if (r->planned_epoch == epoch) return ATTN_OK;
    batch_plan_clear(&r->plan);
    r->planned_epoch = epoch;
    uint64_t key = random_derive(random_derive((uint64_t)r->o.seed, KEY_EPOCH), (uint64_t)epoch);
    return batch_plan_create(&r->plan, &r->data.train, r->o.batch_tokens, key);
}

static attn_status next_batch(training *r)
{
    attn_status s = plan_epoch(r, r->state.step / r->plan.count);
    if (s != ATTN_OK) return s;
    const translator_config *c = &r->state.model->config;
    return batch_fill(&r->batch, &r->plan, r->state.step % r->plan.count, &r->data.train, c->pad_id,
                      c->decoder_start_id);
}

static attn_status learn(training *r, double *nll, int64_t *counted)
{
    parameters *p = &r->state.model->parameters;
    uint64_t key = random_derive(random_derive((uint64_t)r->o.seed, KEY_DROPOUT), (uint64_t)r->state.step);
    parameters_begin_gradients(p);
    tensor *loss = batch_loss(r->tape, r->state.model, &r->batch, key, (float)r->o.label_smoothing, nll, counted);
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
    p->epoch = (double)r->state.step / (double)r->plan.count;
    p->seconds = r->clock.seconds;
    p->loss = recent_loss(&r->recent);
    p->tokens_per_second = recent_tokens_per_second(&r->recent);
    double by_steps = p->steps > 0 ? (double)(p->steps - p->step) * recent_seconds_per_step(&r->recent) : INFINITY;
    double by_clock = r->o.minutes > 0 ? 60 * r->o.minutes - p->seconds : INFINITY;
    p->remaining = fmax(0, fmin(by_steps, by_clock));
}

static attn_status save_checkpoint(training *r)
{
    attn_status s = checkpoint_save(&r->state, &r->o, r->data.fingerprint);
    if (s != ATTN_OK) return s;
    r->saved_at = r->clock.seconds;
    report(r, ATTN_SEQ_TRAIN_SAVED, NULL);
    return ATTN_OK;
}

/* Validates the weights that stand in the model now, and saves them when they are the best so far. */
static attn_status judge(training *r)
{
    attn_seq_train_progress *p = &r->progress;
    stop_question stop = {r->o.stop, r->o.argument};
    double loss = NAN, bleu = NAN;
    attn_status s = ATTN_OK;
    if (r->data.valid.count > 0) s = validation_loss(&loss, r->state.model, &r->data, r->threads, stop);
    if (s == ATTN_OK && r->data.valid.count > 0) s = validation_bleu(&bleu, r->state.model, &r->data, r->threads, stop);
    if (s != ATTN_OK) return s;
    p->valid_loss = loss;
    p->valid_bleu = bleu;
    double score = bleu > 0 ? bleu : -loss; /* until the first match of four words the loss tells more */
    p->best = !(score <= r->state.best);    /* NaN, for want of validation pairs: the last is the best */
    r->state.validated = r->state.step;
    r->state.stale = p->best ? 0 : r->state.stale + 1;
    if (!p->best) return ATTN_OK;
    if (!isnan(score)) r->state.best = score;
    return translator_save(r->state.model, r->o.model,
                           r->o.format == ATTN_SEQ_WEIGHTS_BF16 ? WEIGHTS_BF16 : WEIGHTS_FP32);
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
    double nll = 0;
    int64_t counted = 0;
    attn_status s = next_batch(r);
    if (s == ATTN_OK) s = learn(r, &nll, &counted);
    if (s != ATTN_OK) return s;
    recent_figures_add(&r->recent, nll / (double)counted, (double)r->batch.tokens, working_clock_tick(&r->clock));
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
    return step % r->o.valid_every == 0 || fraction_done(r) >= 1;
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

static translator_config configure(const training *r)
{
    const attn_seq_train_options *o = &r->o;
    int64_t pieces = tokenizer_vocabulary(r->data.tokenizer, TOKENIZER_TARGET);
    return (translator_config){
        .vocab_size = pieces,
        .decoder_vocab_size = pieces,
        .d_model = o->width,
        .encoder_layers = o->layers,
        .decoder_layers = o->layers,
        .encoder_heads = o->heads,
        .decoder_heads = o->heads,
        .encoder_ffn_dim = o->ffn,
        .decoder_ffn_dim = o->ffn,
        .max_position_embeddings = r->data.positions,
        .activation = ACTIVATION_RELU,
        .scale_embedding = true,
        .share_encoder_decoder_embeddings = true,
        .tie_word_embeddings = true,
        .dropout = (float)o->dropout,
        .pad_id = (int32_t)pieces - 1,
        .eos_id = 0,
        .decoder_start_id = (int32_t)pieces - 1,
    };
}

/* The checkpoint's settings, where none were said. */
static attn_status take_up(training *r)
{
    attn_status s = checkpoint_open(&r->checkpoint, r->o.model);
    if (s == ATTN_OK) s = checkpoint_adopt(&r->checkpoint, &r->o);
    return s == ATTN_OK ? settings_complete(&r->o) : s;
}

static attn_status prepare(training *r)
{
    bool resume = r->o.start == ATTN_SEQ_TRAIN_RESUME;
    attn_status s = resume ? ATTN_OK : settings_complete(&r->o);
    if (s == ATTN_OK) s = model_directory_take(r->o.model, !resume, &r->made_directory, &r->lock);
    if (s == ATTN_OK && !resume) s = model_directory_clear(r->o.model, r->o.start == ATTN_SEQ_TRAIN_REPLACE);
    if (s == ATTN_OK && resume) s = take_up(r);
    if (s == ATTN_OK) s = train_data_load(&r->data, &r->o, !resume, (notice_sink){tell, r});
    if (s != ATTN_OK) return s;
    r->threads = r->o.threads > 0 ? (int)r->o.threads : parallel_default_threads();
    translator_config config = configure(r);
    uint64_t key = random_derive((uint64_t)r->o.seed, KEY_WEIGHTS);
    s = train_state_create(&r->state, &config, key, r->o.average > 0);
    if (s == ATTN_OK && resume) s = checkpoint_restore(&r->checkpoint, &r->state, r->data.fingerprint);
    if (s == ATTN_OK) s = tape_create(&r->tape, TAPE_TRAIN, r->threads);
    if (s == ATTN_OK) s = tape_set_products(r->tape, r->o.compute == ATTN_SEQ_COMPUTE_BF16 ? DENSE_BF16 : DENSE_FP32);
    if (s == ATTN_OK) s = plan_epoch(r, 0);
    r->clock.seconds = r->saved_at = r->state.seconds;
    return s;
}

static void clear(training *r)
{
    batch_clear(&r->batch);
    batch_plan_clear(&r->plan);
    tape_destroy(r->tape);
    train_state_clear(&r->state);
    train_data_clear(&r->data);
    checkpoint_clear(&r->checkpoint);
    if (r->lock >= 0) close(r->lock);
}

attn_status attn_seq_train_translator(const attn_seq_train_options *options)
{
    if (!options || options->struct_size != sizeof *options)
        return status_fail(ATTN_ERROR_ARGUMENT, "options must come from attn_seq_train_options_init of this version");
    if (!options->model) return status_fail(ATTN_ERROR_ARGUMENT, "model is NULL, expected a directory");
    training r = {.o = *options, .lock = -1, .planned_epoch = -1, .progress = {.valid_loss = NAN, .valid_bleu = NAN}};
    attn_status s = prepare(&r);
    if (s == ATTN_OK) s = run(&r);
    if (s != ATTN_OK && r.made_directory) rmdir(r.o.model); /* which it refuses once something is in it */
    clear(&r);
    return s;
}
