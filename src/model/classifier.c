#include "model/classifier.h"

#include "base/status.h"
#include "model/classifier_config.h"
#include "model/classifier_functions.h"
#include "model/classifier_parts.h"
#include "model/initial_weights.h"

#include <stdlib.h>
#include <string.h>

static attn_status no_memory(void)
{
    return status_fail(ATTN_ERROR_MEMORY, "no memory for the model");
}

static attn_status prepare(classifier *m, const classifier_config *config)
{
    const classifier_functions *functions = classifier_functions_of(config->family);
    attn_status status = classifier_config_copy(&m->config, config);
    if (status != ATTN_OK) return status;
    m->layers = calloc((size_t)config->layers + 1, sizeof *m->layers);
    m->parts = calloc(1, functions->parts_size ? functions->parts_size : 1);
    if (!m->layers || !m->parts) return no_memory();
    m->options = (transformer_options){.heads = config->heads,
                                       .activation = config->activation,
                                       .pre_norm = functions->pre_norm,
                                       .norm_epsilon = config->norm_epsilon,
                                       .dropout = config->dropout,
                                       .attention_dropout = config->attention_dropout};
    return weights_declare(&m->parameters, functions->walk, m);
}

attn_status classifier_declare(classifier **out, const classifier_config *config)
{
    *out = NULL;
    classifier *m = calloc(1, sizeof *m);
    if (!m) return no_memory();
    attn_status status = prepare(m, config);
    if (status != ATTN_OK) {
        classifier_destroy(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}

void classifier_bind(classifier *m)
{
    weights_bind(&m->parameters, classifier_functions_of(m->config.family)->walk, m);
}

/* What the names of all families have in common; embeddings and learned tokens as BERT and ViT have them, but patches
 * are projected by weights like any other. */
static initial_weight initial_weight_of(const void *model, const parameter *p)
{
    (void)model;
    const bool norm = strstr(p->name, "norm") || strstr(p->name, "Norm");
    if (norm && initial_ends_with(p->name, ".weight")) return (initial_weight){INITIAL_ONE, 0};
    if (p->tensor.rank < 2) return (initial_weight){INITIAL_ZERO, 0};
    if (strstr(p->name, "embeddings.") && !strstr(p->name, "projection")) return (initial_weight){INITIAL_NORMAL, 0.02};
    return (initial_weight){INITIAL_GLOROT, 0};
}

attn_status classifier_create(classifier **out, const classifier_config *config, bool trainable, uint64_t seed)
{
    *out = NULL;
    attn_status status = classifier_config_check(config, "model");
    if (status != ATTN_OK) return status_fail(ATTN_ERROR_ARGUMENT, "%s", status_message());
    classifier *m;
    status = classifier_declare(&m, config);
    if (status == ATTN_OK) status = parameters_allocate(&m->parameters, trainable);
    if (status != ATTN_OK) {
        classifier_destroy(m);
        return status;
    }
    classifier_bind(m);
    if (trainable) initial_weights_fill(&m->parameters, seed, initial_weight_of, m);
    if (trainable && classifier_functions_of(config->family)->begin) classifier_functions_of(config->family)->begin(m);
    *out = m;
    return ATTN_OK;
}

void classifier_destroy(classifier *m)
{
    if (!m) return;
    classifier_config_clear(&m->config);
    parameters_destroy(&m->parameters);
    safetensors_close(m->file);
    free(m->layers);
    free(m->parts);
    free(m);
}

void classifier_set_dropout(classifier *m, float dropout, float attention_dropout)
{
    m->config.dropout = m->options.dropout = dropout;
    m->config.attention_dropout = m->options.attention_dropout = attention_dropout;
}

tensor *classifier_logits(tape *t, const classifier *m, const classifier_input *input,
                          const attention_weights_sink *sink)
{
    return classifier_functions_of(m->config.family)->logits(t, m, input, sink);
}
