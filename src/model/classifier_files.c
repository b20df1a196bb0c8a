#include "model/classifier.h"

#include "base/status.h"
#include "model/classifier_config.h"
#include "model/classifier_parts.h"
#include "model/weights_file.h"

#include <stdlib.h>

static attn_status open_weights(classifier *m, const char *path, bool trainable)
{
    const weight_rules rules = {0};
    safetensors *file;
    attn_status status = safetensors_open(&file, path);
    if (status != ATTN_OK) return status;
    status = weights_read(&m->parameters, &rules, m, file, trainable);
    if (trainable || status != ATTN_OK)
        safetensors_close(file);
    else
        m->file = file;
    if (status == ATTN_OK) classifier_bind(m);
    return status;
}

static attn_status open_files(classifier **m, const char *config_path, const char *weights_path, bool trainable)
{
    classifier_config config;
    attn_status status = classifier_config_read(&config, config_path);
    if (status == ATTN_OK) status = classifier_declare(m, &config);
    if (status == ATTN_OK) status = open_weights(*m, weights_path, trainable);
    classifier_config_clear(&config);
    return status;
}

attn_status classifier_open(classifier **out, const char *directory, bool trainable)
{
    *out = NULL;
    classifier *m = NULL;
    char *config_path = model_file_path(directory, "config.json");
    char *weights_path = model_file_path(directory, "model.safetensors");
    attn_status status = config_path && weights_path
                             ? open_files(&m, config_path, weights_path, trainable)
                             : status_fail(ATTN_ERROR_MEMORY, "%s: no memory to open it", directory);
    free(config_path);
    free(weights_path);
    if (status != ATTN_OK) {
        classifier_destroy(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}

attn_status classifier_save(const classifier *m, const char *directory, weight_format format)
{
    char *config_path = model_file_path(directory, "config.json");
    char *weights_path = model_file_path(directory, "model.safetensors");
    attn_status status = config_path && weights_path
                             ? classifier_config_write(&m->config, format, config_path)
                             : status_fail(ATTN_ERROR_MEMORY, "%s: no memory to save it", directory);
    if (status == ATTN_OK) status = weights_write(&m->parameters, NULL, 0, format, weights_path);
    free(config_path);
    free(weights_path);
    return status;
}
