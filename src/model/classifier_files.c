#include "model/classifier.h"

#include "base/status.h"
#include "model/classifier_config.h"
#include "model/classifier_parts.h"
#include "model/model_files.h"
#include "model/weights_file.h"

static bool is_recurrent(const classifier *m)
{
    return m->config.family == CLASSIFIER_RECURRENT;
}

static attn_status open_weights(classifier *m, const char *path, bool trainable)
{
    const weight_rules rules = {.int8_rows = is_recurrent(m)};
    safetensors *file;
    attn_status status = model_weights_open(&file, path);
    if (status != ATTN_OK) return status;
    status = weights_read(&m->parameters, &rules, m, file, trainable, &m->unused);
    if (trainable || status != ATTN_OK)
        safetensors_close(file);
    else
        m->file = file;
    if (status == ATTN_OK) classifier_bind(m);
    return status;
}

static attn_status open_files(classifier **m, const model_files *files, bool trainable)
{
    classifier_config config;
    attn_status status = classifier_config_read(&config, files->config);
    if (status == ATTN_OK) status = classifier_declare(m, &config);
    if (status == ATTN_OK) status = open_weights(*m, files->weights, trainable);
    classifier_config_clear(&config);
    return status;
}

attn_status classifier_open(classifier **out, const char *directory, bool trainable)
{
    *out = NULL;
    classifier *m = NULL;
    model_files files;
    attn_status status = model_files_name(&files, directory);
    if (status == ATTN_OK) status = open_files(&m, &files, trainable);
    model_files_clear(&files);
    if (status != ATTN_OK) {
        classifier_destroy(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}

attn_status classifier_save(const classifier *m, const char *directory, weight_format format)
{
    model_files files;
    attn_status status = is_recurrent(m) ? ATTN_OK : weight_format_check_exchanged(format, directory);
    if (status != ATTN_OK) return status;
    status = model_files_name(&files, directory);
    if (status == ATTN_OK) status = classifier_config_write(&m->config, format, files.config);
    if (status == ATTN_OK) status = weights_write(&m->parameters, NULL, 0, format, files.weights);
    model_files_clear(&files);
    return status;
}
