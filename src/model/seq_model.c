#define _GNU_SOURCE /* asprintf */
#include "model/seq_model.h"

#include "base/status.h"
#include "model/activation_names.h"
#include "model/recurrent_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A piece whose id the embedding does not have would be read past its end. Fewer pieces than rows is usual: rows are
 * padded to round numbers. */
static attn_status check_vocabulary(const attn_seq_model *m, tokenizer_side side, const char *field, int64_t rows)
{
    int64_t pieces = tokenizer_vocabulary(m->tokenizer, side);
    if (pieces <= rows) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s/config.json: %s is %lld, expected at least the vocabulary's %lld",
                       m->directory, field, (long long)rows, (long long)pieces);
}

/* What every sequence-to-sequence model needs besides its network. */
static attn_status open_pieces(attn_seq_model *m)
{
    attn_status status = tokenizer_open(&m->tokenizer, m->directory);
    if (status != ATTN_OK) return status;
    status = check_vocabulary(m, TOKENIZER_SOURCE, "vocab_size", m->seq2seq.sizes.source_vocabulary);
    if (status != ATTN_OK) return status;
    return check_vocabulary(m, TOKENIZER_TARGET, "decoder_vocab_size", m->seq2seq.sizes.target_vocabulary);
}

static attn_status open_translator(attn_seq_model *m)
{
    translator *network;
    attn_status status = translator_open(&network, m->directory, false);
    if (status != ATTN_OK) return status;
    m->seq2seq = seq2seq_of_translator(network);
    return open_pieces(m);
}

static attn_status open_recurrent(attn_seq_model *m)
{
    recurrent_translator *network;
    attn_status status = recurrent_translator_open(&network, m->directory, false);
    if (status != ATTN_OK) return status;
    m->seq2seq = seq2seq_of_recurrent(network);
    return open_pieces(m);
}

/* What prepares images or sound must make as many rows and columns as the network takes. */
static attn_status check_size(const attn_seq_model *m, const char *what, int64_t made, int64_t taken)
{
    if (made == taken) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s/preprocessor_config.json: %s is %lld, expected config.json's %lld",
                       m->directory, what, (long long)made, (long long)taken);
}

static attn_status open_image_preparation(attn_seq_model *m, const char *path)
{
    const classifier_config *c = &m->classifier->config;
    attn_status status = image_preparation_read(&m->image, path, c->channels);
    if (status == ATTN_OK) status = check_size(m, "the height", m->image.height, c->rows);
    return status == ATTN_OK ? check_size(m, "the width", m->image.width, c->columns) : status;
}

static attn_status open_sound_preparation(attn_seq_model *m, const char *path)
{
    const classifier_config *c = &m->classifier->config;
    attn_status status = spectrogram_preparation_read(&m->sound, path);
    if (status == ATTN_OK) status = check_size(m, "num_mel_bins", m->sound.bins, c->rows);
    if (status == ATTN_OK) status = check_size(m, "max_length", m->sound.frames, c->columns);
    return status == ATTN_OK ? spectrogram_create(&m->spectrogram, &m->sound) : status;
}

static attn_status open_text_preparation(attn_seq_model *m)
{
    attn_status status = tokenizer_open(&m->tokenizer, m->directory);
    if (status != ATTN_OK) return status;
    return check_vocabulary(m, TOKENIZER_SOURCE, "vocab_size", m->classifier->config.vocab_size);
}

static attn_status open_classifier(attn_seq_model *m)
{
    attn_status status = classifier_open(&m->classifier, m->directory, false);
    if (status != ATTN_OK) return status;
    if (m->architecture->task == ATTN_SEQ_TASK_CLASSIFY_TEXT) return open_text_preparation(m);
    char *path;
    if (asprintf(&path, "%s/preprocessor_config.json", m->directory) < 0)
        return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to open it", m->directory);
    bool image = m->architecture->task == ATTN_SEQ_TASK_CLASSIFY_IMAGE;
    status = image ? open_image_preparation(m, path) : open_sound_preparation(m, path);
    free(path);
    return status;
}

typedef attn_status open_function(attn_seq_model *m);
static open_function *const open_family[] = {[ARCHITECTURE_MARIAN] = open_translator,
                                             [ARCHITECTURE_BART] = open_translator,
                                             [ARCHITECTURE_TRANSFORMER] = open_translator,
                                             [ARCHITECTURE_RECURRENT] = open_recurrent,
                                             [ARCHITECTURE_CLASSIFIER] = open_classifier};

static attn_status open_parts(attn_seq_model *m, const char *directory)
{
    m->directory = strdup(directory);
    if (!m->directory) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to open it", directory);
    attn_status status = architecture_read(&m->architecture, directory);
    return status == ATTN_OK ? open_family[m->architecture->family](m) : status;
}

attn_status attn_seq_model_open(attn_seq_model **out, const char *directory)
{
    if (!out) return status_fail(ATTN_ERROR_ARGUMENT, "out is NULL");
    *out = NULL;
    if (!directory) return status_fail(ATTN_ERROR_ARGUMENT, "directory is NULL");
    attn_seq_model *m = calloc(1, sizeof *m);
    if (!m) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory to open it", directory);
    attn_status status = open_parts(m, directory);
    if (status != ATTN_OK) {
        attn_seq_model_close(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}

void attn_seq_model_close(attn_seq_model *model)
{
    if (!model) return;
    tokenizer_destroy(model->tokenizer);
    seq2seq_destroy(&model->seq2seq);
    classifier_destroy(model->classifier);
    spectrogram_destroy(model->spectrogram);
    free(model->directory);
    free(model);
}

attn_status seq_model_expect(const attn_seq_model *model, attn_seq_task task)
{
    return architecture_expect(model->architecture, model->directory, task);
}

/* The flat array's total counts the padding between parameters too. */
static int64_t count_weights(const parameters *p)
{
    int64_t count = 0;
    for (int64_t i = 0; i < p->count; i++) count += tensor_count(&p->items[i].tensor);
    return count;
}

static void describe_classifier(const attn_seq_model *model, attn_seq_description *d)
{
    const classifier_config *c = &model->classifier->config;
    d->parameters = count_weights(&model->classifier->parameters);
    d->source_vocabulary = model->tokenizer ? tokenizer_vocabulary(model->tokenizer, TOKENIZER_SOURCE) : 0;
    d->width = c->width;
    d->encoder_layers = c->layers;
    d->encoder_heads = c->heads;
    d->encoder_ffn = c->ffn;
    d->max_positions = c->max_positions;
    d->activation = c->family == CLASSIFIER_RECURRENT ? "tanh" : activation_name(c->activation);
    d->cell = c->family == CLASSIFIER_RECURRENT ? recurrent_cell_names[c->cell] : NULL;
    d->label_count = c->label_count;
    d->labels = (const char *const *)c->labels;
    d->unused_weights = model->classifier->unused.count;
    d->first_unused = model->classifier->unused.first;
}

static void describe_seq2seq(const attn_seq_model *model, attn_seq_description *d)
{
    d->parameters = count_weights(model->seq2seq.parameters);
    d->source_vocabulary = tokenizer_vocabulary(model->tokenizer, TOKENIZER_SOURCE);
    d->target_vocabulary = tokenizer_vocabulary(model->tokenizer, TOKENIZER_TARGET);
    d->max_positions = model->seq2seq.sizes.max_positions;
    d->beam = model->seq2seq.generation.beam;
    d->normalize = model->seq2seq.generation.length_penalty;
    model->seq2seq.family->describe(model->seq2seq.network, d);
}

attn_status attn_seq_model_describe(const attn_seq_model *model, attn_seq_description *description)
{
    if (!model || !description) return status_fail(ATTN_ERROR_ARGUMENT, "model or description is NULL");
    if (description->struct_size != sizeof *description)
        return status_fail(ATTN_ERROR_ARGUMENT, "description->struct_size is %zu, expected %zu",
                           description->struct_size, sizeof *description);
    *description = (attn_seq_description){
        .struct_size = sizeof *description,
        .directory = model->directory,
        .task = model->architecture->task,
        .architecture = model->architecture->name,
    };
    if (model->classifier)
        describe_classifier(model, description);
    else
        describe_seq2seq(model, description);
    return ATTN_OK;
}
