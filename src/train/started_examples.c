#include "train/started_examples.h"

#include "base/status.h"
#include "model/classifier_renewed.h"
#include "model/config_limits.h"

#include <stdio.h>

/* A model's sizes, and the file that says how what it takes is made. */
typedef struct preparation_files {
    classifier_config config;
    char path[4096]; /* preprocessor_config.json */
} preparation_files;

static attn_status read_files(preparation_files *f, const attn_seq_train_options *o, bool begin)
{
    const char *directory = begin ? o->from : o->model;
    attn_status s = classifier_encoder_read(&f->config, directory);
    const int length = snprintf(f->path, sizeof f->path, "%s/preprocessor_config.json", directory);
    if (s != ATTN_OK || (size_t)length < sizeof f->path) return s;
    return status_fail(ATTN_ERROR_FILE, "%.60s...: the path is too long", directory);
}

static attn_status check_size(const preparation_files *f, const char *what, int64_t made, int64_t taken)
{
    if (made == taken) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s is %lld, expected config.json's %lld", f->path, what, (long long)made,
                       (long long)taken);
}

static attn_status load_images(classifier_data *d, const preparation_files *f, const example_list *train,
                               const example_list *valid)
{
    const classifier_config *c = &f->config;
    attn_status s = image_preparation_read(&d->image, f->path, c->channels);
    const image_sizes sizes = {c->rows, c->channels, c->patch_rows, MOST_POSITIONS - 1, d->image.filter};
    if (s == ATTN_OK) s = check_size(f, "the height", d->image.height, c->rows);
    if (s == ATTN_OK) s = check_size(f, "the width", d->image.width, c->columns);
    if (s == ATTN_OK) s = loaded_examples_images(&d->train, train, &sizes);
    if (s == ATTN_OK) s = loaded_examples_images(&d->valid, valid, &sizes);
    d->patch = c->patch_rows;
    return s;
}

static attn_status load_audio(classifier_data *d, const preparation_files *f, const example_list *train,
                              const example_list *valid)
{
    const classifier_config *c = &f->config;
    attn_status s = spectrogram_preparation_read(&d->sound, f->path);
    if (s == ATTN_OK) s = check_size(f, "num_mel_bins", d->sound.bins, c->rows);
    if (s == ATTN_OK) s = check_size(f, "max_length", d->sound.frames, c->columns);
    if (s == ATTN_OK) s = spectrogram_create(&d->spectrogram, &d->sound);
    if (s == ATTN_OK) s = loaded_examples_audio(&d->train, train, 0);
    if (s == ATTN_OK) s = loaded_examples_audio(&d->valid, valid, d->train.rate);
    if (s == ATTN_OK) s = loaded_examples_resample(&d->train, d->sound.rate);
    if (s == ATTN_OK) s = loaded_examples_resample(&d->valid, d->sound.rate);
    d->patch = c->patch_rows;
    return s;
}

attn_status started_examples_load(classifier_data *d, const attn_seq_train_options *o, bool begin,
                                  const example_list *train, const example_list *valid)
{
    preparation_files f;
    attn_status s = read_files(&f, o, begin);
    if (s == ATTN_OK)
        s = d->kind == EXAMPLES_IMAGE ? load_images(d, &f, train, valid) : load_audio(d, &f, train, valid);
    classifier_config_clear(&f.config);
    return s;
}
