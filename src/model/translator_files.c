#include "model/translator.h"

#include "base/status.h"
#include "model/layers_pack.h"
#include "model/model_files.h"
#include "model/translator_config.h"
#include "model/translator_names.h"
#include "model/translator_parts.h"
#include "model/weights_file.h"

#include <stdlib.h>

/* ---- reading ------------------------------------------------------------------------------------------------ */

static attn_status read_position_table(translator *m, const safetensors *file, const char *name, float **positions)
{
    const int64_t shape[2] = {m->config.max_position_embeddings, m->config.d_model};
    const safetensors_tensor *t = safetensors_find(file, name);
    if (!t) return status_fail(ATTN_ERROR_FORMAT, "%s: %s is missing beside its twin", safetensors_path(file), name);
    attn_status status = weights_check_shape(file, t, 2, shape);
    if (status != ATTN_OK) return status;
    *positions = malloc((size_t)t->count * sizeof **positions);
    if (!*positions) return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for %s", safetensors_path(file), name);
    return safetensors_read_floats(file, t, *positions);
}

static attn_status read_positions(translator *m, const safetensors *file)
{
    if (translator_family_of(m->config.kind)->learned_positions) return ATTN_OK; /* weights like any others */
    m->positions_stored = safetensors_find(file, TRANSLATOR_ENCODER_POSITIONS) != NULL ||
                          safetensors_find(file, TRANSLATOR_DECODER_POSITIONS) != NULL;
    if (!m->positions_stored) return translator_compute_positions(m);
    attn_status status = read_position_table(m, file, TRANSLATOR_ENCODER_POSITIONS, &m->source.positions);
    if (status != ATTN_OK) return status;
    return read_position_table(m, file, TRANSLATOR_DECODER_POSITIONS, &m->target.positions);
}

static attn_status pack(translator *m)
{
    attn_status status = layers_pack(m->encoder, m->config.encoder_layers);
    if (status == ATTN_OK) status = layers_pack(m->decoder, m->config.decoder_layers);
    return status == ATTN_OK ? parameters_pack(m->output_weight) : status;
}

static attn_status fill_from(translator *m, const safetensors *file, bool trainable)
{
    static const char *const positions[] = {TRANSLATOR_ENCODER_POSITIONS, TRANSLATOR_DECODER_POSITIONS, NULL};
    const weight_rules rules = {.other_names = translator_other_names,
                                .elsewhere = positions,
                                .names_agree = m->config.tie_word_embeddings,
                                .optional = TRANSLATOR_OUTPUT_BIAS};
    attn_status status = weights_read(&m->parameters, &rules, m, file, trainable, &m->unused);
    if (status != ATTN_OK) return status;
    translator_bind(m);
    status = read_positions(m, file);
    return status == ATTN_OK && !trainable ? pack(m) : status;
}

static attn_status open_files(translator **m, const model_files *files, bool trainable)
{
    translator_config config;
    safetensors *file = NULL;
    attn_status status = translator_config_read(&config, files->config);
    if (status == ATTN_OK) status = model_weights_open(&file, files->weights);
    if (status == ATTN_OK) status = translator_declare(m, &config);
    if (status == ATTN_OK) status = fill_from(*m, file, trainable);
    if (status == ATTN_OK && !trainable)
        (*m)->file = file;
    else
        safetensors_close(file);
    return status;
}

attn_status translator_open(translator **out, const char *directory, bool trainable)
{
    *out = NULL;
    translator *m = NULL;
    model_files files;
    attn_status status = model_files_name(&files, directory);
    if (status == ATTN_OK) status = open_files(&m, &files, trainable);
    model_files_clear(&files);
    if (status == ATTN_OK) status = generation_read(&m->generation, directory, m->config.decoder_vocab_size);
    if (status != ATTN_OK) {
        translator_destroy(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static attn_status write_weights(const translator *m, const char *path, weight_format format)
{
    const int64_t shape[2] = {m->config.max_position_embeddings, m->config.d_model};
    const safetensors_entry positions[2] = {
        {.name = TRANSLATOR_ENCODER_POSITIONS, .rank = 2, .shape = shape, .values = m->source.positions},
        {.name = TRANSLATOR_DECODER_POSITIONS, .rank = 2, .shape = shape, .values = m->target.positions},
    };
    return weights_write(&m->parameters, positions, m->positions_stored ? 2 : 0, format, path);
}

attn_status translator_save(const translator *m, const char *directory, weight_format format)
{
    model_files files;
    attn_status status = weight_format_check_exchanged(format, directory);
    if (status != ATTN_OK) return status;
    status = model_files_name(&files, directory);
    if (status == ATTN_OK) status = translator_config_write(&m->config, format, files.config);
    if (status == ATTN_OK) status = translator_generation_write(&m->config, &m->generation, files.generation);
    if (status == ATTN_OK) status = write_weights(m, files.weights, format);
    model_files_clear(&files);
    return status;
}
