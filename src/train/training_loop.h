/* The one loop that trains every kind of model: epochs of batches, Adam, the schedule, the moving average, validation,
 * early stopping, checkpoints, going on after a kill. What it trains, it knows through a training_kind alone.
 *
 *     const training_kind my_kind = {.name = "translate", .unit = "tokens", .load = load, ...};
 *     my_task task = {0};
 *     return training_run(&my_kind, &task, options);
 *
 * In the order of the calls: start_from (only with o->from, not when resuming), defaults (not when resuming), load,
 * create, plan, rewrite (when resuming with another format); then for each step plan (at an epoch's beginning), fetch,
 * loss; now and then validate and save; clear at the end, also after a failure. Whatever is random in them follows from
 * the keys that they are given, so that a resumed run gives the bits of an unbroken one. */
#ifndef TRAIN_TRAINING_LOOP_H
#define TRAIN_TRAINING_LOOP_H

#include "attn/seq.h"
#include "tensor/parameters.h"
#include "tensor/tape.h"
#include "train/notices.h"
#include "train/settings.h"
#include "train/stop_question.h"

/* What a task is given when it loads. The options are complete and live as long as the run. */
typedef struct training_setup {
    const attn_seq_train_options *options;
    bool begin;          /* false: the run goes on, so what load once wrote to options->model (a tokenizer) is there */
    bool *replaces;      /* for model_directory_make_way, before load writes anything */
    int threads;         /* at least 1 */
    const int64_t *step; /* steps done so far, as the run goes on */
    notice_sink notices;
} training_setup;

/* What load found. */
typedef struct training_data_facts {
    uint64_t fingerprint; /* of what is learnt from: resuming on other data is refused */
    bool validates;       /* there is validation data; without it the last weights are the best */
} training_data_facts;

/* A batch's loss in parts. */
typedef struct step_figures {
    double nll;      /* sum of -log p over what is counted, in nats */
    int64_t counted; /* target tokens, examples; at least 1 */
    int64_t units;   /* of training_kind.unit, without padding: for the speed */
} step_figures;

typedef struct validation_result {
    double loss;                          /* nats per target token or example, without label smoothing */
    double rank;                          /* what the best model is chosen by: the more the better */
    double scores[ATTN_SEQ_TRAIN_SCORES]; /* in the order of training_kind.scores */
} validation_result;

typedef struct training_kind {
    const char *name;                          /* "translate": also in checkpoints, which no other kind can resume */
    const char *unit;                          /* what the speed counts: "tokens" */
    const char *scores[ATTN_SEQ_TRAIN_SCORES]; /* what validation gives, "BLEU"; the first is what matters */
    const char *learns_from;                   /* what options->train must name: "a file of sentence pairs" */

    /* The defaults that differ from settings.c's, for these options: a list that ends with a name of NULL, and lives on
     * with the task. NULL: none differ. */
    attn_status (*defaults)(void *task, const attn_seq_train_options *o, const setting_default **list);

    /* What the model of o->from, which is not NULL, fixes or suggests: settings that were said otherwise are refused,
     * those that were not are set. */
    attn_status (*start_from)(attn_seq_train_options *o);

    attn_status (*load)(void *task, const training_setup *setup, training_data_facts *facts);

    /* A new model, its weights drawn by the key or, with options->from, that model's; when resuming then, that of
     * options->model. *p lives in it. */
    attn_status (*create)(void *task, uint64_t key, parameters **p);

    /* Orders an epoch's batches anew; the same count in every epoch. */
    attn_status (*plan)(void *task, uint64_t key, int64_t *batches);

    /* Makes the epoch's batch `index` ready. The key is the step's, for augmentation. */
    attn_status (*fetch)(void *task, int64_t index, uint64_t key);

    /* The loss of the batch that is ready, on a tape that has begun; failures are left on the tape. */
    tensor *(*loss)(void *task, tape *t, step_figures *figures);

    attn_status (*validate)(void *task, stop_question stop, validation_result *result);

    /* The weights as they stand, into options->model. */
    attn_status (*save)(void *task);

    /* The model that options->model holds, read and written again in options->format. */
    attn_status (*rewrite)(void *task);

    void (*clear)(void *task);
} training_kind;

/* Runs the whole training. The task is the kind's own, zeroed by the caller and cleared here. Returns what
 * attn_seq_train_translator returns. */
attn_status training_run(const training_kind *kind, void *task, const attn_seq_train_options *options);

#endif
