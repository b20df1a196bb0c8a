#include "train/classifier_data.h"

#include "base/plural.h"
#include "base/status.h"
#include "base/utf8.h"
#include "model/config_limits.h"
#include "train/model_directory.h"
#include "train/started_examples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

example_kind classifier_example_kind(int64_t task)
{
    if (task == ATTN_SEQ_TASK_CLASSIFY_IMAGE) return EXAMPLES_IMAGE;
    return task == ATTN_SEQ_TASK_CLASSIFY_AUDIO ? EXAMPLES_AUDIO : EXAMPLES_TEXT;
}

static void tell_of(const example_list *l, const char *path, notice_sink n)
{
    notice_tell(n, "%s: %lld %s%s", path, (long long)l->count, example_kind_name(l->kind), plural(l->count));
    if (l->empty > 0) notice_tell(n, "%s: %lld empty line%s left out", path, (long long)l->empty, plural(l->empty));
    if (l->skipped > 0)
        notice_tell(n, "%s: %lld file%s left out, of another kind", path, (long long)l->skipped, plural(l->skipped));
    if (l->invalid > 0)
        notice_tell(n, "%s: %lld line%s left out, invalid UTF-8 or a NUL byte; the first is %s", path,
                    (long long)l->invalid, plural(l->invalid), l->first_invalid);
}

/* "labels: 0 (423), 1 (389), ..." */
static void tell_labels(const example_list *l, notice_sink n)
{
    char text[400];
    size_t at =
        (size_t)snprintf(text, sizeof text, "%lld label%s:", (long long)l->labels.count, plural(l->labels.count));
    for (int64_t i = 0; i < l->labels.count; i++) {
        int64_t count = 0;
        for (int64_t j = 0; j < l->count; j++) count += l->label[j] == i;
        if (at > sizeof text - 80) {
            snprintf(text + at, sizeof text - at, " ...");
            break;
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "%s %.*s (%lld)", i ? "," : "",
                               (int)utf8_shown(l->labels.names[i], 40), l->labels.names[i], (long long)count);
    }
    notice_tell(n, "%s", text);
}

/* Only an IDX file has its labels in another one. */
static attn_status refuse_labels(const example_list *l, const char *field, const char *labels, const char *path)
{
    if (!labels || l->pixels) return ATTN_OK;
    return status_fail(ATTN_ERROR_ARGUMENT, "%s = %s means nothing for %s, which is no IDX file", field, labels, path);
}

/* Reads both lists, or holds examples out for the second. */
static attn_status read_lists(classifier_data *d, const attn_seq_train_options *o, example_list *train,
                              example_list *valid, notice_sink n)
{
    attn_status s = example_list_read(train, o->train, o->train_target, d->kind);
    if (s == ATTN_OK) s = refuse_labels(train, "train_target", o->train_target, o->train);
    if (s != ATTN_OK) return s;
    tell_of(train, o->train, n);
    tell_labels(train, n);
    if (train->labels.count < 2)
        return status_fail(ATTN_ERROR_FORMAT, "%s: every example has the label \"%.*s\", expected at least two labels",
                           o->train, (int)utf8_shown(train->labels.names[0], 60), train->labels.names[0]);
    if (train->labels.count > MOST_LABELS)
        return status_fail(ATTN_ERROR_FORMAT, "%s: %lld labels, expected at most %d", o->train,
                           (long long)train->labels.count, MOST_LABELS);
    if (o->valid) {
        s = example_list_read(valid, o->valid, o->valid_target, d->kind);
        if (s == ATTN_OK) s = refuse_labels(valid, "valid_target", o->valid_target, o->valid);
        if (s == ATTN_OK) tell_of(valid, o->valid, n);
        if (s != ATTN_OK) return s;
        return example_list_relabel(valid, train->labels.names, train->labels.count, o->valid, o->train);
    }
    if (o->folds < 2 || train->count < o->folds) return ATTN_OK;
    if (o->fold >= o->folds)
        return status_fail(ATTN_ERROR_ARGUMENT, "fold = %lld, expected less than folds = %lld", (long long)o->fold,
                           (long long)o->folds);
    s = example_list_hold_out(train, o->folds, o->fold, valid);
    if (s == ATTN_OK)
        notice_tell(n, "%lld of the examples %s held out to validate", (long long)valid->count,
                    valid->count == 1 ? "is" : "are");
    return s;
}

static attn_status train_pieces(const example_list *l, const training_setup *setup)
{
    const attn_seq_train_options *o = setup->options;
    attn_status s = model_directory_make_way(o->model, setup->replaces);
    if (s != ATTN_OK) return s;
    notice_tell(setup->notices, "learning at most %lld pieces", (long long)o->vocabulary);
    return tokenizer_train_style(TOKENIZER_BERT, (const char *const *)l->content, l->count, o->vocabulary,
                                 (uint32_t)o->seed, o->model);
}

static attn_status load_text(classifier_data *d, const training_setup *setup, const example_list *train,
                             const example_list *valid)
{
    const attn_seq_train_options *o = setup->options;
    attn_status s = setup->begin && !o->from ? train_pieces(train, setup) : ATTN_OK;
    if (s == ATTN_OK) s = tokenizer_open(&d->tokenizer, setup->begin && o->from ? o->from : o->model);
    if (s == ATTN_OK) s = loaded_examples_text(&d->train, train, d->tokenizer, o->longest);
    if (s == ATTN_OK) s = loaded_examples_text(&d->valid, valid, d->tokenizer, o->longest);
    if (s == ATTN_OK && d->train.too_long > 0)
        notice_tell(setup->notices, "%s: %lld text%s cut after %lld pieces", o->train, (long long)d->train.too_long,
                    plural(d->train.too_long), (long long)o->longest);
    return s;
}

/* Mean and deviation of each channel over all pixels. */
static void measure(image_preparation *p, const loaded_examples *e)
{
    const int64_t pixels = e->count * e->side * e->side;
    for (int64_t c = 0; c < e->channels; c++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < pixels; i++) {
            const double value = (double)e->pixels[i * e->channels + c] * p->factor;
            sum += value;
            squares += value * value;
        }
        const double mean = sum / (double)pixels, variance = squares / (double)pixels - mean * mean;
        p->mean[c] = (float)mean;
        p->deviation[c] = variance > 1e-6 ? (float)sqrt(variance) : 1;
    }
}

static attn_status load_images(classifier_data *d, const attn_seq_train_options *o, const example_list *train,
                               const example_list *valid)
{
    image_sizes sizes = {o->image_size, 0, o->patch, MOST_POSITIONS - 1, IMAGE_BILINEAR};
    attn_status s = loaded_examples_images(&d->train, train, &sizes);
    const loaded_examples *e = &d->train;
    sizes = (image_sizes){e->side, e->channels, e->patch, MOST_POSITIONS - 1, IMAGE_BILINEAR};
    if (s == ATTN_OK) s = loaded_examples_images(&d->valid, valid, &sizes);
    if (s != ATTN_OK) return s;
    d->patch = e->patch;
    image_preparation_init(&d->image, e->side, e->side, e->channels);
    measure(&d->image, e);
    return ATTN_OK;
}

/* Sound above half of this rate says nothing about speech; the most that transformers' AST models are given. */
#define MOST_RATE 16000
#define MOST_FRAMES 1024
#define USUAL_PATCH 16 /* bins and frames, as AST has it */

/* Mean and deviation over all frames of all recordings. */
static attn_status measure_sound(classifier_data *d)
{
    spectrogram_preparation plain = d->sound;
    plain.normalize = false;
    spectrogram *p = NULL;
    float *values = malloc((size_t)(plain.frames * plain.bins) * sizeof *values);
    attn_status s = values ? spectrogram_create(&p, &plain) : status_fail(ATTN_ERROR_MEMORY, "out of memory");
    double sum = 0, squares = 0, count = 0;
    for (int64_t i = 0; s == ATTN_OK && i < d->train.count; i++) {
        const sound from = {d->train.rate, loaded_examples_length(&d->train, i), d->train.samples + d->train.start[i]};
        int64_t frames = spectrogram_frames(from.count);
        s = spectrogram_compute(p, "recording", &from, values);
        if (frames > plain.frames) frames = plain.frames;
        for (int64_t j = 0; s == ATTN_OK && j < frames * plain.bins; j++) {
            sum += values[j];
            squares += (double)values[j] * values[j];
            count++;
        }
    }
    spectrogram_destroy(p);
    free(values);
    if (s != ATTN_OK) return s;
    d->sound.mean = sum / count;
    d->sound.deviation = sqrt(fmax(squares / count - d->sound.mean * d->sound.mean, 1e-6));
    return spectrogram_create(&d->spectrogram, &d->sound);
}

static int ascending(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* As many frames as 99 of 100 recordings fit in: each costs time in every example, and a few are far longer. */
static attn_status usual_frames(const loaded_examples *e, int64_t *frames)
{
    int64_t *all = malloc((size_t)e->count * sizeof *all);
    if (!all) return status_fail(ATTN_ERROR_MEMORY, "out of memory for %lld recordings", (long long)e->count);
    for (int64_t i = 0; i < e->count; i++) all[i] = spectrogram_frames(loaded_examples_length(e, i));
    qsort(all, (size_t)e->count, sizeof *all, ascending);
    const int64_t most = all[(e->count - 1) * 99 / 100];
    free(all);
    *frames = most < 1 ? 1 : most < MOST_FRAMES ? most : MOST_FRAMES;
    return ATTN_OK;
}

static attn_status choose_spectrogram(classifier_data *d, const attn_seq_train_options *o)
{
    spectrogram_preparation_init(&d->sound);
    d->sound.rate = d->train.rate;
    d->sound.bins = d->train.rate < MOST_RATE ? 64 : 128;
    int64_t frames = 0;
    attn_status s = usual_frames(&d->train, &frames);
    if (s != ATTN_OK) return s;
    d->patch = o->patch > 0 ? o->patch : USUAL_PATCH;
    d->sound.frames = (frames + d->patch - 1) / d->patch * d->patch;
    if (d->patch > d->sound.bins)
        return status_fail(ATTN_ERROR_ARGUMENT, "patch = %lld, expected at most the %lld bins of the spectrogram",
                           (long long)d->patch, (long long)d->sound.bins);
    return measure_sound(d);
}

static attn_status load_audio(classifier_data *d, const attn_seq_train_options *o, const example_list *train,
                              const example_list *valid)
{
    attn_status s = loaded_examples_audio(&d->train, train, 0);
    if (s == ATTN_OK) s = loaded_examples_audio(&d->valid, valid, d->train.rate);
    if (s == ATTN_OK && d->train.rate > MOST_RATE) {
        s = loaded_examples_resample(&d->train, MOST_RATE);
        if (s == ATTN_OK) s = loaded_examples_resample(&d->valid, MOST_RATE);
    }
    return s == ATTN_OK ? choose_spectrogram(d, o) : s;
}

static attn_status load_examples(classifier_data *d, const training_setup *setup, const example_list *train,
                                 const example_list *valid)
{
    const attn_seq_train_options *o = setup->options;
    if (d->kind == EXAMPLES_TEXT) return load_text(d, setup, train, valid);
    if (o->from) return started_examples_load(d, o, setup->begin, train, valid);
    return d->kind == EXAMPLES_IMAGE ? load_images(d, o, train, valid) : load_audio(d, o, train, valid);
}

attn_status classifier_data_load(classifier_data *out, const training_setup *setup)
{
    *out = (classifier_data){.kind = classifier_example_kind(setup->options->task)};
    example_list train = {0}, valid = {0};
    attn_status s = read_lists(out, setup->options, &train, &valid, setup->notices);
    if (s == ATTN_OK) s = load_examples(out, setup, &train, &valid);
    out->labels = train.labels;
    train.labels = (label_list){0};
    out->fingerprint = s == ATTN_OK ? loaded_examples_fingerprint(&out->train) : 0;
    example_list_clear(&train);
    example_list_clear(&valid);
    return s;
}

void classifier_data_clear(classifier_data *d)
{
    label_list_clear(&d->labels);
    loaded_examples_clear(&d->train);
    loaded_examples_clear(&d->valid);
    tokenizer_destroy(d->tokenizer);
    spectrogram_destroy(d->spectrogram);
    *d = (classifier_data){0};
}
