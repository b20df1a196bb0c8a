#include "model/recurrent_translator.h"

#include "base/status.h"
#include "model/initial_weights.h"
#include "model/model_files.h"
#include "model/recurrent_config.h"
#include "model/recurrent_weights.h"
#include "model/weight_visitor.h"
#include "model/weights_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- names ------------------------------------------------------------------------------------------------------ */

static attn_status visit_attention(recurrent_translator *m, weight_visitor visit, void *argument)
{
    const recurrent_config *c = &m->config;
    const int64_t H = c->hidden_size;
    const bool summed = c->attention == RECURRENT_ADDITIVE || c->attention == RECURRENT_CONCAT;
    attn_status status = ATTN_OK;
    if (summed) status = visit_matrix(visit, argument, &m->query_weight, "attention.query.weight", H, H);
    if (status == ATTN_OK && (summed || c->attention == RECURRENT_GENERAL))
        status = visit_matrix(visit, argument, &m->key_weight, "attention.key.weight", H, H);
    if (status == ATTN_OK && summed)
        status = visit_vector(visit, argument, &m->score_weight, "attention.score.weight", H);
    return status;
}

static attn_status visit_weights(void *model, weight_visitor visit, void *argument)
{
    recurrent_translator *m = model;
    const recurrent_config *c = &m->config;
    const int directions = c->bidirectional ? 2 : 1;
    const int64_t gates = recurrent_gates(c->cell), E = c->embedding_size, H = c->hidden_size;
    attn_status status = visit_matrix(visit, argument, &m->embedding, "embedding.weight", c->vocab_size, E);
    if (status == ATTN_OK)
        status = recurrent_visit(m->encoder, "encoder", c->encoder_layers, directions, E, H / directions, gates, visit,
                                 argument);
    if (status == ATTN_OK)
        status = recurrent_visit(m->decoder, "decoder", c->decoder_layers, 1, E + recurrent_fed_size(c), H, gates,
                                 visit, argument);
    if (status == ATTN_OK) status = visit_attention(m, visit, argument);
    if (status == ATTN_OK)
        status = visit_matrix(visit, argument, &m->combine_weight, "combine.weight", E,
                              c->attention == RECURRENT_UNATTENDED ? H : 2 * H);
    if (status == ATTN_OK) status = visit_vector(visit, argument, &m->combine_bias, "combine.bias", E);
    if (status == ATTN_OK) status = visit_vector(visit, argument, &m->output_bias, "output.bias", c->vocab_size);
    return status;
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

static attn_status declare(recurrent_translator **out, const recurrent_config *config)
{
    const int directions = config->bidirectional ? 2 : 1;
    recurrent_translator *m = *out = calloc(1, sizeof *m);
    if (!m) return status_fail(ATTN_ERROR_MEMORY, "no memory for the model");
    m->config = *config;
    m->encoder = calloc((size_t)(config->encoder_layers * directions), sizeof *m->encoder);
    m->decoder = calloc((size_t)config->decoder_layers, sizeof *m->decoder);
    if (!m->encoder || !m->decoder) return status_fail(ATTN_ERROR_MEMORY, "no memory for the model");
    return weights_declare(&m->parameters, visit_weights, m);
}

static initial_weight initial_weight_of(const void *model, const parameter *p)
{
    const recurrent_translator *m = model;
    if (&p->tensor == m->embedding) return (initial_weight){INITIAL_NORMAL, 1 / sqrt((double)m->config.embedding_size)};
    const bool drawn = p->tensor.rank == 2 || &p->tensor == m->score_weight;
    return (initial_weight){drawn ? INITIAL_GLOROT : INITIAL_ZERO, 0};
}

attn_status recurrent_translator_create(recurrent_translator **out, const recurrent_config *config, bool trainable,
                                        uint64_t seed)
{
    *out = NULL;
    attn_status status = recurrent_config_check(config, "model");
    if (status != ATTN_OK) return status_fail(ATTN_ERROR_ARGUMENT, "%s", status_message());
    recurrent_translator *m;
    status = declare(&m, config);
    if (status == ATTN_OK) status = parameters_allocate(&m->parameters, trainable);
    if (status != ATTN_OK) {
        recurrent_translator_destroy(m);
        return status;
    }
    weights_bind(&m->parameters, visit_weights, m);
    if (trainable) {
        initial_weights_fill(&m->parameters, seed, initial_weight_of, m);
        if (config->cell == RECURRENT_LSTM) {
            recurrent_open_forget_gates(m->encoder, config->encoder_layers * (config->bidirectional ? 2 : 1));
            recurrent_open_forget_gates(m->decoder, config->decoder_layers);
        }
    }
    *out = m;
    return ATTN_OK;
}

void recurrent_translator_destroy(recurrent_translator *m)
{
    if (!m) return;
    parameters_destroy(&m->parameters);
    safetensors_close(m->file);
    free(m->encoder);
    free(m->decoder);
    free(m);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* The decoder's weights and the logits' are used at every step. */
static attn_status pack(recurrent_translator *m)
{
    attn_status status = parameters_pack(m->embedding);
    if (status == ATTN_OK) status = parameters_pack(m->combine_weight);
    for (int64_t l = 0; l < m->config.decoder_layers && status == ATTN_OK; l++) {
        status = parameters_pack(m->decoder[l].input_weight);
        if (status == ATTN_OK) status = parameters_pack(m->decoder[l].recurrent_weight);
    }
    return status;
}

static attn_status open_files(recurrent_translator **m, const model_files *files, bool trainable)
{
    const weight_rules rules = {.int8_rows = true};
    recurrent_config config;
    safetensors *file = NULL;
    attn_status status = recurrent_config_read(&config, files->config);
    if (status == ATTN_OK) status = model_weights_open(&file, files->weights);
    if (status == ATTN_OK) status = declare(m, &config);
    if (status == ATTN_OK) status = weights_read(&(*m)->parameters, &rules, *m, file, trainable, &(*m)->unused);
    if (status == ATTN_OK) weights_bind(&(*m)->parameters, visit_weights, *m);
    if (status == ATTN_OK && !trainable) status = pack(*m);
    if (*m && !trainable)
        (*m)->file = file;
    else
        safetensors_close(file);
    return status;
}

attn_status recurrent_translator_open(recurrent_translator **out, const char *directory, bool trainable)
{
    *out = NULL;
    recurrent_translator *m = NULL;
    model_files files;
    attn_status status = model_files_name(&files, directory);
    if (status == ATTN_OK) status = open_files(&m, &files, trainable);
    model_files_clear(&files);
    if (status != ATTN_OK) {
        recurrent_translator_destroy(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}

attn_status recurrent_translator_save(const recurrent_translator *m, const char *directory, weight_format format)
{
    model_files files;
    attn_status status = model_files_name(&files, directory);
    if (status == ATTN_OK) status = recurrent_config_write(&m->config, format, files.config);
    if (status == ATTN_OK) status = weights_write(&m->parameters, NULL, 0, format, files.weights);
    model_files_clear(&files);
    return status;
}
