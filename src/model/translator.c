#include "model/translator.h"

#include "base/status.h"
#include "model/initial_weights.h"
#include "model/translator_config.h"
#include "model/translator_names.h"
#include "model/positions.h"
#include "model/translator_parts.h"

#include <math.h>
#include <stdlib.h>

static attn_status no_memory(void)
{
    return status_fail(ATTN_ERROR_MEMORY, "no memory for the model");
}

static transformer_options options_of(const translator_config *c, int64_t heads)
{
    return (transformer_options){.heads = heads,
                                 .key_value_heads = c->key_value_heads,
                                 .softcap = c->softcap,
                                 .activation = c->activation,
                                 .pre_norm = false,
                                 .norm_epsilon = 1e-5f,
                                 .dropout = c->dropout,
                                 .attention_dropout = c->attention_dropout,
                                 .activation_dropout = c->activation_dropout};
}

attn_status translator_declare(translator **out, const translator_config *config)
{
    *out = NULL;
    translator *m = calloc(1, sizeof *m);
    if (!m) return no_memory();
    m->config = *config;
    m->generation = generation_standard();
    m->generation.limits.forces_last = true;
    m->generation.limits.last_id = config->eos_id;
    m->encoder = calloc((size_t)config->encoder_layers + 1, sizeof *m->encoder);
    m->decoder = calloc((size_t)config->decoder_layers + 1, sizeof *m->decoder);
    m->encoder_options = options_of(config, config->encoder_heads);
    m->decoder_options = options_of(config, config->decoder_heads);
    attn_status status = m->encoder && m->decoder ? weights_declare(&m->parameters, translator_visit, m) : no_memory();
    if (status != ATTN_OK) {
        translator_destroy(m);
        return status;
    }
    *out = m;
    return ATTN_OK;
}

void translator_bind(translator *m)
{
    weights_bind(&m->parameters, translator_visit, m);
    translator_tie(m);
}

attn_status translator_compute_positions(translator *m)
{
    if (translator_family_of(m->config.kind)->learned_positions) return ATTN_OK;
    size_t size = (size_t)m->config.max_position_embeddings * (size_t)m->config.d_model * sizeof(float);
    m->source.positions = malloc(size);
    if (!m->source.positions) return no_memory();
    positions_fill(m->source.positions, m->config.max_position_embeddings, m->config.d_model, m->config.d_model);
    m->target.positions = m->source.positions;
    return ATTN_OK;
}

static bool is_embedding(const translator *m, const tensor *w)
{
    return w == m->source.table || w == m->target.table || w == m->output_weight || w == m->source.learned_positions ||
           w == m->target.learned_positions;
}

/* A summary takes most of its words from the text: where source and target share their embedding, a cross-attention
 * that begins by handing on what it attends to makes an attended piece likely from the first step on. */
static bool hands_on(const translator *m, const parameter *p)
{
    return m->config.kind == TRANSLATOR_BART && (initial_ends_with(p->name, "encoder_attn.v_proj.weight") ||
                                                 initial_ends_with(p->name, "encoder_attn.out_proj.weight"));
}

static initial_weight initial_weight_of(const void *model, const parameter *p)
{
    const translator *m = model;
    const tensor *w = &p->tensor;
    if (is_embedding(m, w)) return (initial_weight){INITIAL_NORMAL, 1 / sqrt((double)m->config.d_model)};
    if (hands_on(m, p)) return (initial_weight){INITIAL_IDENTITY, 0};
    if (w->rank == 2 && w != m->output_bias) return (initial_weight){INITIAL_GLOROT, 0};
    const bool gain =
        initial_ends_with(p->name, "norm.weight") || w == m->source.norm_gamma || w == m->target.norm_gamma;
    return (initial_weight){gain ? INITIAL_ONE : INITIAL_ZERO, 0};
}

attn_status translator_create(translator **out, const translator_config *config, bool trainable, uint64_t seed)
{
    *out = NULL;
    attn_status status = translator_config_check(config, "model");
    if (status != ATTN_OK) return status_fail(ATTN_ERROR_ARGUMENT, "%s", status_message());
    if (config->share_encoder_decoder_embeddings && !config->tie_word_embeddings)
        return status_fail(
            ATTN_ERROR_UNSUPPORTED,
            "model: share_encoder_decoder_embeddings without tie_word_embeddings, expected both or neither");
    const translator_family *family = translator_family_of(config->kind);
    if (!family->separate_vocabularies && !config->share_encoder_decoder_embeddings)
        return status_fail(ATTN_ERROR_UNSUPPORTED, "model: %s without share_encoder_decoder_embeddings",
                           family->architecture);
    translator *m;
    status = translator_declare(&m, config);
    if (status != ATTN_OK) return status;
    status = parameters_allocate(&m->parameters, trainable);
    if (status == ATTN_OK) status = translator_compute_positions(m);
    if (status != ATTN_OK) {
        translator_destroy(m);
        return status;
    }
    translator_bind(m);
    if (trainable) initial_weights_fill(&m->parameters, seed, initial_weight_of, m);
    *out = m;
    return ATTN_OK;
}

void translator_destroy(translator *m)
{
    if (!m) return;
    parameters_destroy(&m->parameters);
    safetensors_close(m->file);
    if (m->target.positions != m->source.positions) free(m->target.positions);
    free(m->source.positions);
    free(m->encoder);
    free(m->decoder);
    free(m);
}

void translator_set_dropout(translator *m, float dropout, float attention_dropout)
{
    m->config.dropout = m->encoder_options.dropout = m->decoder_options.dropout = dropout;
    m->config.attention_dropout = attention_dropout;
    m->encoder_options.attention_dropout = m->decoder_options.attention_dropout = attention_dropout;
}
