#include "attn/seq.h"

#include "base/status.h"
#include "input/example_plan.h"
#include "output/class_scores.h"
#include "train/classifier_defaults.h"
#include "train/classifier_started.h"
#include "train/classifier_validation.h"
#include "train/recurrent_arch.h"
#include "train/training_loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The validation loss decides between equal accuracies: less than one example in a hundred thousand weighs. */
#define LOSS_WEIGHT 1e-3

typedef struct classifier_task {
    const attn_seq_train_options *options;
    notice_sink notices;
    bool begin; /* false: the run goes on */
    int threads;
    classifier_data data;
    int64_t *lengths; /* of the training texts; NULL: all examples are alike */
    classifier *model;
    example_plan plan;
    classifier_batch batch;
} classifier_task;

static attn_status defaults(void *task, const attn_seq_train_options *o, const setting_default **list)
{
    (void)task;
    return classifier_defaults(o, list);
}

static attn_status measure_lengths(classifier_task *k)
{
    const loaded_examples *e = &k->data.train;
    if (!e->ids) return ATTN_OK;
    k->lengths = malloc(((size_t)e->count + 1) * sizeof *k->lengths);
    if (!k->lengths) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld examples", (long long)e->count);
    for (int64_t i = 0; i < e->count; i++) k->lengths[i] = loaded_examples_length(e, i);
    return ATTN_OK;
}

static attn_status load(void *task, const training_setup *setup, training_data_facts *facts)
{
    classifier_task *k = task;
    k->options = setup->options;
    k->threads = setup->threads;
    k->notices = setup->notices;
    k->begin = setup->begin;
    if (setup->options->task == ATTN_SEQ_TASK_TRANSLATE || setup->options->task == ATTN_SEQ_TASK_SUMMARIZE)
        return status_fail(ATTN_ERROR_ARGUMENT, "task = %lld, expected ATTN_SEQ_TASK_CLASSIFY_TEXT, _IMAGE or _AUDIO",
                           (long long)setup->options->task);
    attn_status s = classifier_data_load(&k->data, setup);
    if (s == ATTN_OK) s = measure_lengths(k);
    *facts = (training_data_facts){.fingerprint = k->data.fingerprint, .validates = k->data.valid.count > 0};
    return s;
}

/* Up to so many frames patches begin every quarter of their length: a word is over in a few of them, and has to be
 * known wherever in them it lies. Longer sounds have AST's 10 of 16, Gong et al. 2021, in both directions. */
#define SHORT_FRAMES 256

static void overlap(classifier_config *c)
{
    const bool is_short = c->columns <= SHORT_FRAMES;
    const int64_t patch = c->patch_rows, row = is_short ? patch / 2 : patch * 5 / 8;
    const int64_t column = is_short ? patch / 4 : patch * 5 / 8;
    c->row_stride = row > 0 ? row : 1;
    c->column_stride = column > 0 ? column : 1;
}

static classifier_config configure(const classifier_task *k)
{
    const attn_seq_train_options *o = k->options;
    const classifier_data *d = &k->data;
    classifier_config c = {
        .label_count = d->labels.count,
        .labels = d->labels.names,
        .width = o->width,
        .layers = o->layers,
        .heads = o->heads,
        .ffn = o->ffn,
        .activation = ACTIVATION_GELU,
        .norm_epsilon = 1e-6f,
        .dropout = (float)o->dropout,
        .attention_dropout = (float)o->attention_dropout,
        .classifier_dropout = -1,
    };
    if (d->kind != EXAMPLES_TEXT) {
        const bool image = d->kind == EXAMPLES_IMAGE;
        c.family = image ? CLASSIFIER_VIT : CLASSIFIER_AST;
        c.channels = image ? d->image.channels : 1;
        c.rows = image ? d->image.height : d->sound.bins;
        c.columns = image ? d->image.width : d->sound.frames;
        c.patch_rows = c.patch_columns = c.row_stride = c.column_stride = d->patch;
        if (!image) overlap(&c);
        c.qkv_bias = true;
    }
    if (d->kind == EXAMPLES_TEXT) {
        c.family = CLASSIFIER_BERT;
        c.norm_epsilon = 1e-12f;
        c.vocab_size = tokenizer_vocabulary(d->tokenizer, TOKENIZER_SOURCE);
        c.type_vocab_size = 1;
        c.max_positions = o->longest;
        c.pad_id = tokenizer_find(d->tokenizer, TOKENIZER_SOURCE, "[PAD]");
    }
    if (o->arch != ATTN_SEQ_ARCH_TRANSFORMER) {
        c.family = CLASSIFIER_RECURRENT;
        c.cell = recurrent_arch_cell(o->arch);
        c.embedding = o->embedding ? o->embedding : o->width;
    }
    return c;
}

static attn_status create_new(classifier_task *k, uint64_t key)
{
    const classifier_config config = configure(k);
    return classifier_create(&k->model, &config, true, key);
}

static attn_status create(void *task, uint64_t key, parameters **p)
{
    classifier_task *k = task;
    attn_status s = k->options->from
                        ? classifier_started_create(&k->model, k->options, &k->data, k->begin, key, k->notices)
                        : create_new(k, key);
    if (s == ATTN_OK) *p = &k->model->parameters;
    return s;
}

static attn_status plan(void *task, uint64_t key, int64_t *batches)
{
    classifier_task *k = task;
    example_plan_clear(&k->plan);
    attn_status s = example_plan_create(&k->plan, k->data.train.count, k->options->batch, k->lengths, key);
    *batches = k->plan.batches;
    return s;
}

static batch_maker maker_of(const classifier_task *k, const loaded_examples *examples, double augment)
{
    return (batch_maker){
        .data = &k->data,
        .examples = examples,
        .pad_id = k->model->config.pad_id,
        .augment = augment,
        .threads = k->threads,
    };
}

static attn_status fetch(void *task, int64_t index, uint64_t key)
{
    classifier_task *k = task;
    const batch_maker maker = maker_of(k, &k->data.train, k->options->augment);
    const example_plan *p = &k->plan;
    return classifier_batch_fill(&k->batch, &maker, p->order + example_plan_begin(p, index),
                                 example_plan_size(p, index), key);
}

static tensor *loss(void *task, tape *t, step_figures *f)
{
    classifier_task *k = task;
    f->units = k->batch.input.batch;
    tensor *logits = classifier_logits(t, k->model, &k->batch.input, NULL);
    return tape_cross_entropy(t, logits, k->batch.expected, (float)k->options->label_smoothing, &f->nll, &f->counted);
}

static attn_status validate(void *task, stop_question stop, validation_result *v)
{
    classifier_task *k = task;
    const int64_t labels = k->data.labels.count;
    const batch_maker maker = maker_of(k, &k->data.valid, 0);
    class_count *counts = calloc((size_t)labels, sizeof *counts);
    if (!counts) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld labels", (long long)labels);
    attn_status s = classifier_validate(k->model, &maker, stop, &v->loss, counts);
    const class_scores scores = class_scores_of(counts, labels);
    free(counts);
    v->scores[0] = scores.accuracy;
    v->scores[1] = scores.macro_f1;
    v->rank = scores.accuracy - LOSS_WEIGHT * v->loss;
    return s;
}

static attn_status save_preparation(const classifier_task *k)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/preprocessor_config.json", k->options->model);
    if (length < 0 || (size_t)length >= sizeof path)
        return status_fail(ATTN_ERROR_FILE, "%.60s...: the path is too long", k->options->model);
    if (k->data.kind == EXAMPLES_IMAGE) return image_preparation_write(&k->data.image, path);
    if (k->data.kind == EXAMPLES_AUDIO) return spectrogram_preparation_write(&k->data.sound, path);
    return ATTN_OK;
}

static attn_status save(void *task)
{
    const classifier_task *k = task;
    attn_status s = save_preparation(k);
    if (s != ATTN_OK) return s;
    return classifier_save(k->model, k->options->model, settings_weight_format(k->options));
}

static attn_status rewrite(void *task)
{
    const classifier_task *k = task;
    classifier *best;
    attn_status s = classifier_open(&best, k->options->model, false);
    if (s != ATTN_OK) return s;
    s = classifier_save(best, k->options->model, settings_weight_format(k->options));
    classifier_destroy(best);
    return s;
}

static void clear(void *task)
{
    classifier_task *k = task;
    classifier_batch_clear(&k->batch);
    example_plan_clear(&k->plan);
    classifier_destroy(k->model);
    free(k->lengths);
    classifier_data_clear(&k->data);
}

attn_status attn_seq_train_classifier(const attn_seq_train_options *options)
{
    static const training_kind kind = {
        .name = "classify",
        .unit = "examples",
        .scores = {"accuracy", "macro-F1"},
        .learns_from = "labelled examples",
        .defaults = defaults,
        .start_from = classifier_started_settings,
        .load = load,
        .create = create,
        .plan = plan,
        .fetch = fetch,
        .loss = loss,
        .validate = validate,
        .save = save,
        .rewrite = rewrite,
        .clear = clear,
    };
    classifier_task task = {0};
    return training_run(&kind, &task, options);
}
