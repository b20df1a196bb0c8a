#include "model/translator_names.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define SHARED_EMBEDDING "model.shared.weight"
#define OUTPUT_WEIGHT "lm_head.weight"

/* d: d_model, f: the feed-forward size. */
typedef enum shape_kind { SHAPE_D, SHAPE_F, SHAPE_DD, SHAPE_FD, SHAPE_DF } shape_kind;

/* A layer's weights: the member of transformer_layer, the name after "model.encoder.layers.N." and the shape. */
static const struct layer_weight {
    size_t member;
    const char *name;
    shape_kind shape;
    bool decoder_only;
} layer_weights[] = {
#define MEMBER(m) offsetof(transformer_layer, m)
    {MEMBER(self.q_weight), "self_attn.q_proj.weight", SHAPE_DD, false},
    {MEMBER(self.q_bias), "self_attn.q_proj.bias", SHAPE_D, false},
    {MEMBER(self.k_weight), "self_attn.k_proj.weight", SHAPE_DD, false},
    {MEMBER(self.k_bias), "self_attn.k_proj.bias", SHAPE_D, false},
    {MEMBER(self.v_weight), "self_attn.v_proj.weight", SHAPE_DD, false},
    {MEMBER(self.v_bias), "self_attn.v_proj.bias", SHAPE_D, false},
    {MEMBER(self.o_weight), "self_attn.out_proj.weight", SHAPE_DD, false},
    {MEMBER(self.o_bias), "self_attn.out_proj.bias", SHAPE_D, false},
    {MEMBER(self_norm_gamma), "self_attn_layer_norm.weight", SHAPE_D, false},
    {MEMBER(self_norm_beta), "self_attn_layer_norm.bias", SHAPE_D, false},
    {MEMBER(cross.q_weight), "encoder_attn.q_proj.weight", SHAPE_DD, true},
    {MEMBER(cross.q_bias), "encoder_attn.q_proj.bias", SHAPE_D, true},
    {MEMBER(cross.k_weight), "encoder_attn.k_proj.weight", SHAPE_DD, true},
    {MEMBER(cross.k_bias), "encoder_attn.k_proj.bias", SHAPE_D, true},
    {MEMBER(cross.v_weight), "encoder_attn.v_proj.weight", SHAPE_DD, true},
    {MEMBER(cross.v_bias), "encoder_attn.v_proj.bias", SHAPE_D, true},
    {MEMBER(cross.o_weight), "encoder_attn.out_proj.weight", SHAPE_DD, true},
    {MEMBER(cross.o_bias), "encoder_attn.out_proj.bias", SHAPE_D, true},
    {MEMBER(cross_norm_gamma), "encoder_attn_layer_norm.weight", SHAPE_D, true},
    {MEMBER(cross_norm_beta), "encoder_attn_layer_norm.bias", SHAPE_D, true},
    {MEMBER(fc1_weight), "fc1.weight", SHAPE_FD, false},
    {MEMBER(fc1_bias), "fc1.bias", SHAPE_F, false},
    {MEMBER(fc2_weight), "fc2.weight", SHAPE_DF, false},
    {MEMBER(fc2_bias), "fc2.bias", SHAPE_D, false},
    {MEMBER(final_norm_gamma), "final_layer_norm.weight", SHAPE_D, false},
    {MEMBER(final_norm_beta), "final_layer_norm.bias", SHAPE_D, false},
#undef MEMBER
};

static attn_status visit_matrix(translator_visitor visit, void *argument, tensor **slot, const char *name, int64_t rows,
                                int64_t columns)
{
    const int64_t shape[2] = {rows, columns};
    return visit(argument, slot, name, 2, shape);
}

static attn_status visit_layer_weight(translator_visitor visit, void *argument, tensor **slot, const char *name,
                                      shape_kind kind, int64_t d, int64_t f)
{
    const bool f_rows = kind == SHAPE_F || kind == SHAPE_FD;
    const int64_t shape[2] = {f_rows ? f : d, kind == SHAPE_DF ? f : d};
    return visit(argument, slot, name, kind == SHAPE_D || kind == SHAPE_F ? 1 : 2, shape);
}

static attn_status visit_layers(const translator_config *c, transformer_layer *layers, bool decoder,
                                translator_visitor visit, void *argument)
{
    int64_t count = decoder ? c->decoder_layers : c->encoder_layers;
    int64_t f = decoder ? c->decoder_ffn_dim : c->encoder_ffn_dim;
    for (int64_t i = 0; i < count; i++) {
        for (size_t w = 0; w < sizeof layer_weights / sizeof *layer_weights; w++) {
            const struct layer_weight *weight = &layer_weights[w];
            if (weight->decoder_only && !decoder) continue;
            char name[128];
            snprintf(name, sizeof name, "model.%s.layers.%lld.%s", decoder ? "decoder" : "encoder", (long long)i,
                     weight->name);
            tensor **slot = (tensor **)((char *)&layers[i] + weight->member);
            attn_status status = visit_layer_weight(visit, argument, slot, name, weight->shape, c->d_model, f);
            if (status != ATTN_OK) return status;
        }
    }
    return ATTN_OK;
}

static attn_status visit_embeddings(translator *m, translator_visitor visit, void *argument)
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
static attn_status visit_side(translator *m, translator_embedding *e, const char *side, translator_visitor visit,
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
    status = visit(argument, &e->norm_gamma, name, 1, &d);
    if (status != ATTN_OK) return status;
    snprintf(name, sizeof name, "model.%s.layernorm_embedding.bias", side);
    return visit(argument, &e->norm_beta, name, 1, &d);
}

attn_status translator_visit(translator *m, translator_visitor visit, void *argument)
{
    attn_status status = visit_embeddings(m, visit, argument);
    if (status == ATTN_OK) status = visit_side(m, &m->source, "encoder", visit, argument);
    if (status == ATTN_OK) status = visit_side(m, &m->target, "decoder", visit, argument);
    if (status == ATTN_OK) status = visit_layers(&m->config, m->encoder, false, visit, argument);
    if (status == ATTN_OK) status = visit_layers(&m->config, m->decoder, true, visit, argument);
    if (status == ATTN_OK)
        status =
            visit_matrix(visit, argument, &m->output_bias, TRANSLATOR_OUTPUT_BIAS, 1, m->config.decoder_vocab_size);
    return status;
}

void translator_tie(translator *m)
{
    if (m->config.share_encoder_decoder_embeddings) m->target.table = m->source.table;
    if (m->config.tie_word_embeddings) m->output_weight = m->target.table;
}

const char *const *translator_other_names(const translator_config *c, const char *name)
{
    static const char *const of_shared[] = {TRANSLATOR_ENCODER_EMBEDDING, TRANSLATOR_DECODER_EMBEDDING, OUTPUT_WEIGHT,
                                            NULL};
    static const char *const of_encoder[] = {SHARED_EMBEDDING, NULL};
    static const char *const of_tied_decoder[] = {OUTPUT_WEIGHT, NULL};
    if (strcmp(name, SHARED_EMBEDDING) == 0) return of_shared;
    if (strcmp(name, TRANSLATOR_ENCODER_EMBEDDING) == 0) return of_encoder;
    if (strcmp(name, TRANSLATOR_DECODER_EMBEDDING) == 0) return c->tie_word_embeddings ? of_tied_decoder : of_encoder;
    return NULL;
}
