#include "model/translator_names.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define SHARED_EMBEDDING "model.shared.weight"
#define OUTPUT_WEIGHT "lm_head.weight"

static const layer_weight layer_weights[] = {
#define MEMBER(m) offsetof(transformer_layer, m)
    {MEMBER(self.q_weight), "self_attn.q_proj.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.q_bias), "self_attn.q_proj.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self.k_weight), "self_attn.k_proj.weight", LAYER_WEIGHT_KD, false},
    {MEMBER(self.k_bias), "self_attn.k_proj.bias", LAYER_WEIGHT_K, false},
    {MEMBER(self.v_weight), "self_attn.v_proj.weight", LAYER_WEIGHT_KD, false},
    {MEMBER(self.v_bias), "self_attn.v_proj.bias", LAYER_WEIGHT_K, false},
    {MEMBER(self.o_weight), "self_attn.out_proj.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.o_bias), "self_attn.out_proj.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self.q_norm_gamma), "self_attn.q_norm.weight", LAYER_WEIGHT_H, false},
    {MEMBER(self.q_norm_beta), "self_attn.q_norm.bias", LAYER_WEIGHT_H, false},
    {MEMBER(self.k_norm_gamma), "self_attn.k_norm.weight", LAYER_WEIGHT_H, false},
    {MEMBER(self.k_norm_beta), "self_attn.k_norm.bias", LAYER_WEIGHT_H, false},
    {MEMBER(self_norm_gamma), "self_attn_layer_norm.weight", LAYER_WEIGHT_D, false},
    {MEMBER(self_norm_beta), "self_attn_layer_norm.bias", LAYER_WEIGHT_D, false},
    {MEMBER(cross.q_weight), "encoder_attn.q_proj.weight", LAYER_WEIGHT_DD, true},
    {MEMBER(cross.q_bias), "encoder_attn.q_proj.bias", LAYER_WEIGHT_D, true},
    {MEMBER(cross.k_weight), "encoder_attn.k_proj.weight", LAYER_WEIGHT_KD, true},
    {MEMBER(cross.k_bias), "encoder_attn.k_proj.bias", LAYER_WEIGHT_K, true},
    {MEMBER(cross.v_weight), "encoder_attn.v_proj.weight", LAYER_WEIGHT_KD, true},
    {MEMBER(cross.v_bias), "encoder_attn.v_proj.bias", LAYER_WEIGHT_K, true},
    {MEMBER(cross.o_weight), "encoder_attn.out_proj.weight", LAYER_WEIGHT_DD, true},
    {MEMBER(cross.o_bias), "encoder_attn.out_proj.bias", LAYER_WEIGHT_D, true},
    {MEMBER(cross.q_norm_gamma), "encoder_attn.q_norm.weight", LAYER_WEIGHT_H, true},
    {MEMBER(cross.q_norm_beta), "encoder_attn.q_norm.bias", LAYER_WEIGHT_H, true},
    {MEMBER(cross.k_norm_gamma), "encoder_attn.k_norm.weight", LAYER_WEIGHT_H, true},
    {MEMBER(cross.k_norm_beta), "encoder_attn.k_norm.bias", LAYER_WEIGHT_H, true},
    {MEMBER(cross_norm_gamma), "encoder_attn_layer_norm.weight", LAYER_WEIGHT_D, true},
    {MEMBER(cross_norm_beta), "encoder_attn_layer_norm.bias", LAYER_WEIGHT_D, true},
    {MEMBER(fc1_weight), "fc1.weight", LAYER_WEIGHT_FD, false},
    {MEMBER(fc1_bias), "fc1.bias", LAYER_WEIGHT_F, false},
    {MEMBER(fc2_weight), "fc2.weight", LAYER_WEIGHT_DF, false},
    {MEMBER(fc2_bias), "fc2.bias", LAYER_WEIGHT_D, false},
    {MEMBER(final_norm_gamma), "final_layer_norm.weight", LAYER_WEIGHT_D, false},
    {MEMBER(final_norm_beta), "final_layer_norm.bias", LAYER_WEIGHT_D, false},
#undef MEMBER
};
#define LAYER_WEIGHTS (sizeof layer_weights / sizeof *layer_weights)

static attn_status visit_embeddings(translator *m, weight_visitor visit, void *argument)
{
    const translator_config *c = &m->config;
    int64_t source = c->vocab_size, target = c->decoder_vocab_size, d = c->d_model;
    if (c->share_encoder_decoder_embeddings)
        return visit_matrix(visit, argument, &m->source.table, SHARED_EMBEDDING, source, d);
    attn_status status = visit_matrix(visit, argument, &m->source.table, TRANSLATOR_ENCODER_EMBEDDING, source, d);
    if (status == ATTN_OK)
        status = visit_matrix(visit, argument, &m->target.table, TRANSLATOR_DECODER_EMBEDDING, target, d);
    if (status == ATTN_OK && !c->tie_word_embeddings)
        status = visit_matrix(visit, argument, &m->output_weight, OUTPUT_WEIGHT, target, d);
    return status;
}

/* What one side's embedding has beside its table. */
static attn_status visit_side(translator *m, translator_embedding *e, const char *side, weight_visitor visit,
                              void *argument)
{
    const translator_family *family = translator_family_of(m->config.kind);
    const int64_t rows = m->config.max_position_embeddings + family->position_offset, d = m->config.d_model;
    char name[128];
    attn_status status = ATTN_OK;
    if (family->learned_positions) {
        snprintf(name, sizeof name, "model.%s.embed_positions.weight", side);
        status = visit_matrix(visit, argument, &e->learned_positions, name, rows, d);
    }
    if (status != ATTN_OK || !family->embedding_norm) return status;
    snprintf(name, sizeof name, "model.%s.layernorm_embedding.weight", side);
    status = visit_vector(visit, argument, &e->norm_gamma, name, d);
    if (status != ATTN_OK) return status;
    snprintf(name, sizeof name, "model.%s.layernorm_embedding.bias", side);
    return visit_vector(visit, argument, &e->norm_beta, name, d);
}

/* A side's layers; h is 0 where queries and keys are not normalized. */
static layer_stack stack_of(const translator_config *c, bool decoder, transformer_layer *layers)
{
    const int64_t heads = decoder ? c->decoder_heads : c->encoder_heads, width = c->d_model / heads;
    return (layer_stack){.layers = layers,
                         .count = decoder ? c->decoder_layers : c->encoder_layers,
                         .decoder = decoder,
                         .prefix = decoder ? "model.decoder.layers." : "model.encoder.layers.",
                         .d = c->d_model,
                         .f = decoder ? c->decoder_ffn_dim : c->encoder_ffn_dim,
                         .k = c->key_value_heads ? width * c->key_value_heads : c->d_model,
                         .h = c->qk_norm ? width : 0};
}

attn_status translator_visit(void *translator, weight_visitor visit, void *argument)
{
    struct translator *m = translator;
    const translator_config *c = &m->config;
    const layer_stack encoder = stack_of(c, false, m->encoder), decoder = stack_of(c, true, m->decoder);
    attn_status status = visit_embeddings(m, visit, argument);
    if (status == ATTN_OK) status = visit_side(m, &m->source, "encoder", visit, argument);
    if (status == ATTN_OK) status = visit_side(m, &m->target, "decoder", visit, argument);
    if (status == ATTN_OK) status = visit_layers(visit, argument, &encoder, layer_weights, LAYER_WEIGHTS);
    if (status == ATTN_OK) status = visit_layers(visit, argument, &decoder, layer_weights, LAYER_WEIGHTS);
    if (status == ATTN_OK)
        status = visit_matrix(visit, argument, &m->output_bias, TRANSLATOR_OUTPUT_BIAS, 1, c->decoder_vocab_size);
    return status;
}

void translator_tie(translator *m)
{
    if (m->config.share_encoder_decoder_embeddings) m->target.table = m->source.table;
    if (m->config.tie_word_embeddings) m->output_weight = m->target.table;
}

const char *const *translator_other_names(const void *translator, const char *name)
{
    const struct translator *m = translator;
    static const char *const of_shared[] = {TRANSLATOR_ENCODER_EMBEDDING, TRANSLATOR_DECODER_EMBEDDING, OUTPUT_WEIGHT,
                                            NULL};
    static const char *const of_encoder[] = {SHARED_EMBEDDING, NULL};
    static const char *const of_tied_decoder[] = {OUTPUT_WEIGHT, NULL};
    if (strcmp(name, SHARED_EMBEDDING) == 0) return of_shared;
    if (strcmp(name, TRANSLATOR_ENCODER_EMBEDDING) == 0) return of_encoder;
    if (strcmp(name, TRANSLATOR_DECODER_EMBEDDING) == 0)
        return m->config.tie_word_embeddings ? of_tied_decoder : of_encoder;
    return NULL;
}
