#include "model/classifier_renewed.h"

#include "base/status.h"
#include "model/classifier_config.h"
#include "model/classifier_functions.h"
#include "model/model_files.h"
#include "model/weights_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

attn_status classifier_encoder_read(classifier_config *c, const char *directory)
{
    *c = (classifier_config){0};
    model_files files;
    attn_status status = model_files_name(&files, directory);
    if (status == ATTN_OK) status = classifier_config_read_encoder(c, files.config);
    model_files_clear(&files);
    return status;
}

static int64_t find_label(const classifier_config *c, const char *label)
{
    for (int64_t i = 0; i < c->label_count; i++) {
        if (strcmp(c->labels[i], label) == 0) return i;
    }
    return -1;
}

static bool same_labels(const classifier_config *c, const classifier_config *found)
{
    if (c->label_count != found->label_count) return false;
    for (int64_t i = 0; i < c->label_count; i++) {
        if (find_label(found, c->labels[i]) < 0) return false;
    }
    return true;
}

typedef struct renewal {
    classifier *model;
    const classifier_config *found; /* the directory's */
    bool same_labels;
} renewal;

/* What a file of another head, or of none, has not; BERT's pooler belongs to a head too. */
static weight_need need_of(const void *model, const parameter *p)
{
    const renewal *r = model;
    const bool is_head = &p->tensor == r->model->head_weight || &p->tensor == r->model->head_bias;
    if (is_head && !r->same_labels) return WEIGHT_DRAWN;
    const bool of_head = strncmp(p->name, "classifier.", 11) == 0 || strstr(p->name, "pooler.");
    return of_head ? WEIGHT_WELCOME : WEIGHT_NEEDED;
}

/* The file's rows stand in the order of its own labels. */
static attn_status order_head(const renewal *r)
{
    const classifier *m = r->model;
    const int64_t labels = m->config.label_count, width = m->config.width;
    float *rows = malloc((size_t)(labels * (width + 1)) * sizeof *rows), *biases = rows + labels * width;
    if (!rows) return status_fail(ATTN_ERROR_MEMORY, "no memory for the model's head");
    memcpy(rows, m->head_weight->value, (size_t)(labels * width) * sizeof *rows);
    memcpy(biases, m->head_bias->value, (size_t)labels * sizeof *rows);
    for (int64_t i = 0; i < labels; i++) {
        const int64_t from = find_label(r->found, m->config.labels[i]);
        memcpy(m->head_weight->value + i * width, rows + from * width, (size_t)width * sizeof *rows);
        m->head_bias->value[i] = biases[from];
    }
    free(rows);
    return ATTN_OK;
}

static attn_status fill(const renewal *r, const char *path, weights_drawn *drawn)
{
    safetensors *file;
    const classifier_family family = r->found->family;
    attn_status status = model_weights_open(&file, path);
    if (status != ATTN_OK) return status;
    const weight_rules rules = {
        .int8_rows = family == CLASSIFIER_RECURRENT,
        .prefix = classifier_functions_of(family)->encoder_prefix,
        .need_of = need_of,
    };
    status = weights_renew(&r->model->parameters, &rules, r, file, drawn);
    safetensors_close(file);
    return status == ATTN_OK && r->same_labels ? order_head(r) : status;
}

attn_status classifier_renew(classifier **out, const char *directory, int64_t label_count, char *const *labels,
                             uint64_t seed, weights_drawn *drawn)
{
    *out = NULL;
    classifier *m = NULL;
    classifier_config found;
    model_files files;
    attn_status status = model_files_name(&files, directory);
    if (status == ATTN_OK) status = classifier_encoder_read(&found, directory);
    if (status != ATTN_OK) {
        model_files_clear(&files);
        return status;
    }
    classifier_config config = found;
    config.label_count = label_count;
    config.labels = (char **)labels;
    status = classifier_create(&m, &config, true, seed);
    const renewal r = {m, &found, same_labels(&config, &found)};
    if (status == ATTN_OK) status = fill(&r, files.weights, drawn);
    classifier_config_clear(&found);
    model_files_clear(&files);
    if (status != ATTN_OK) {
        classifier_destroy(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}
