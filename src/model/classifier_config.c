#include "model/classifier_config.h"

#include "base/status.h"
#include "formats/json_file.h"
#include "model/activation_names.h"
#include "model/classifier_functions.h"
#include "model/config_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void classifier_config_clear(classifier_config *c)
{
    for (int64_t i = 0; c->labels && i < c->label_count; i++) free(c->labels[i]);
    free(c->labels);
    *c = (classifier_config){0};
}

static attn_status no_memory(const char *name)
{
    return status_fail(ATTN_ERROR_MEMORY, "%s: no memory for its labels", name);
}

attn_status classifier_config_copy(classifier_config *to, const classifier_config *from)
{
    *to = *from;
    to->labels = calloc((size_t)from->label_count, sizeof *to->labels);
    if (!to->labels) return no_memory("model");
    for (int64_t i = 0; i < from->label_count; i++) {
        to->labels[i] = strdup(from->labels[i]);
        if (!to->labels[i]) return no_memory("model");
    }
    return ATTN_OK;
}

/* ---- checking --------------------------------------------------------------------------------------------------- */

attn_status classifier_check_range(const char *name, const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value >= least && value <= most) return ATTN_OK;
    return status_fail(ATTN_ERROR_FORMAT, "%s: %s is %lld, expected %lld to %lld", name, field, (long long)value,
                       (long long)least, (long long)most);
}

static attn_status check_transformer(const classifier_config *c, const char *name)
{
    attn_status status = classifier_check_range(name, "intermediate_size", c->ffn, 1, MOST_WIDTH);
    if (status == ATTN_OK) status = classifier_check_range(name, "num_attention_heads", c->heads, 1, c->width);
    if (status != ATTN_OK || c->width % c->heads == 0) return status;
    return status_fail(ATTN_ERROR_FORMAT, "%s: num_attention_heads is %lld, expected a divisor of hidden_size, %lld",
                       name, (long long)c->heads, (long long)c->width);
}

attn_status classifier_config_check(const classifier_config *c, const char *name)
{
    const classifier_functions *functions = classifier_functions_of(c->family);
    attn_status status = classifier_check_range(name, "the number of labels", c->label_count, 1, MOST_LABELS);
    if (status == ATTN_OK) status = classifier_check_range(name, "hidden_size", c->width, 1, MOST_WIDTH);
    if (status == ATTN_OK) status = classifier_check_range(name, "num_hidden_layers", c->layers, 0, MOST_LAYERS);
    if (status == ATTN_OK && !functions->recurrent) status = check_transformer(c, name);
    return status == ATTN_OK ? functions->check(c, name) : status;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

void classifier_read_transformer(config *f, classifier_config *c, double norm_epsilon, double dropout)
{
    c->width = config_integer(f, "hidden_size", 1, MOST_WIDTH);
    c->layers = config_integer(f, "num_hidden_layers", 0, MOST_LAYERS);
    c->heads = config_integer(f, "num_attention_heads", 1, MOST_WIDTH);
    c->ffn = config_integer(f, "intermediate_size", 1, MOST_WIDTH);
    c->activation = activation_read(f, "hidden_act", ACTIVATION_GELU);
    c->norm_epsilon = (float)config_number_or(f, "layer_norm_eps", 0, 1, norm_epsilon);
    c->dropout = (float)config_number_or(f, "hidden_dropout_prob", 0, 1, dropout);
    c->attention_dropout = (float)config_number_or(f, "attention_probs_dropout_prob", 0, 1, dropout);
}

/* id2label, or as many LABEL_i as num_labels says; 2 where that is absent too: Hugging Face writes neither then. */
static attn_status read_labels(config *f, classifier_config *c, const char *path)
{
    const bool named = config_has(f, "id2label");
    const int64_t count =
        named ? config_object_count(f, "id2label", MOST_LABELS) : config_integer_or(f, "num_labels", 1, MOST_LABELS, 2);
    if (config_status(f) != ATTN_OK) return config_status(f);
    c->labels = calloc((size_t)count + 1, sizeof *c->labels);
    if (!c->labels) return no_memory(path);
    c->label_count = count;
    for (int64_t i = 0; i < count; i++) {
        char number[32], standard[40];
        snprintf(number, sizeof number, "%lld", (long long)i);
        snprintf(standard, sizeof standard, "LABEL_%lld", (long long)i);
        const char *label = named ? config_object_string(f, "id2label", number) : standard;
        c->labels[i] = strdup(label);
        if (!c->labels[i]) return no_memory(path);
    }
    return config_status(f);
}

static bool is_of(config *f, const classifier_functions *functions, const char *model_type, bool any_head)
{
    if (strcmp(functions->model_type, model_type) != 0) return false;
    if (any_head && !functions->recurrent) return true;
    return !config_has(f, "architectures") || config_lists(f, "architectures", functions->architecture);
}

static void read_family(config *f, classifier_config *c, bool any_head)
{
    const char *model_type = config_string(f, "model_type");
    for (int i = 0; i < CLASSIFIER_FAMILIES; i++) {
        if (!is_of(f, classifier_functions_of((classifier_family)i), model_type, any_head)) continue;
        c->family = (classifier_family)i;
        return;
    }
    char expected[300] = "that of a classifier, one of";
    for (int i = 0; i < CLASSIFIER_FAMILIES; i++) {
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s %s", i ? "," : "",
                 classifier_functions_of((classifier_family)i)->architecture);
    }
    config_refuse(f, ATTN_ERROR_UNSUPPORTED, config_has(f, "architectures") ? "architectures" : "model_type", expected);
}

static attn_status read_fields(config *f, classifier_config *c, const char *path, bool any_head)
{
    static const char *const problems[] = {"single_label_classification", NULL};
    read_family(f, c, any_head);
    if (config_status(f) != ATTN_OK) return config_status(f);
    if (!any_head) config_choice_or(f, "problem_type", problems, 0);
    attn_status status = read_labels(f, c, path);
    if (status != ATTN_OK) return status;
    classifier_functions_of(c->family)->read(f, c);
    return config_status(f);
}

static attn_status read_file(classifier_config *c, const char *path, bool any_head)
{
    memset(c, 0, sizeof *c);
    config *f;
    attn_status status = config_open(&f, path);
    if (status != ATTN_OK) return status;
    status = read_fields(f, c, path, any_head);
    config_destroy(f);
    return status == ATTN_OK ? classifier_config_check(c, path) : status;
}

attn_status classifier_config_read(classifier_config *c, const char *path)
{
    return read_file(c, path, false);
}

attn_status classifier_config_read_encoder(classifier_config *c, const char *path)
{
    return read_file(c, path, true);
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

json_t *classifier_write_transformer(const classifier_config *c)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:s, s:f, s:f, s:f}", "hidden_size", (json_int_t)c->width,
                     "num_hidden_layers", (json_int_t)c->layers, "num_attention_heads", (json_int_t)c->heads,
                     "intermediate_size", (json_int_t)c->ffn, "hidden_act", activation_name(c->activation),
                     "layer_norm_eps", (double)c->norm_epsilon, "hidden_dropout_prob", (double)c->dropout,
                     "attention_probs_dropout_prob", (double)c->attention_dropout);
}

static json_t *write_labels(const classifier_config *c)
{
    json_t *by_id = json_object(), *by_label = json_object();
    for (int64_t i = 0; i < c->label_count; i++) {
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)i);
        json_object_set_new(by_id, number, json_string(c->labels[i]));
        json_object_set_new(by_label, c->labels[i], json_integer(i));
    }
    return json_pack("{s:o, s:o, s:s}", "id2label", by_id, "label2id", by_label, "problem_type",
                     "single_label_classification");
}

/* torch_dtype is the name that transformers knew before version 5. */
attn_status classifier_config_write(const classifier_config *c, weight_format format, const char *path)
{
    const char *type = weight_format_dtype(format);
    const classifier_functions *functions = classifier_functions_of(c->family);
    json_t *json = json_pack("{s:[s], s:s, s:s, s:s}", "architectures", functions->architecture, "model_type",
                             functions->model_type, "dtype", type, "torch_dtype", type);
    json = json_joined(json, functions->write(c));
    return json_file_save(json_joined(json, write_labels(c)), path);
}
