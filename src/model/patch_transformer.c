#include "model/patch_transformer.h"

#include "base/parallel.h"
#include "base/status.h"
#include "model/config_limits.h"
#include "model/positions.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

patch_grid classifier_patch_grid(const classifier_config *c)
{
    return (patch_grid){(c->rows - c->patch_rows) / c->row_stride + 1,
                        (c->columns - c->patch_columns) / c->column_stride + 1, c->family == CLASSIFIER_AST ? 2 : 1};
}

static int64_t token_count(const classifier_config *c)
{
    const patch_grid g = classifier_patch_grid(c);
    return g.classes + g.rows * g.columns;
}

/* ---- config.json ------------------------------------------------------------------------------------------------ */

attn_status patch_check(const classifier_config *c, const char *name)
{
    const struct {
        const char *field;
        int64_t value, most;
    } ranges[] = {
        {"the number of channels", c->channels, MOST_CHANNELS},
        {"the number of rows", c->rows, MOST_SIDE},
        {"the number of columns", c->columns, MOST_SIDE},
        {"a patch's rows", c->patch_rows, c->rows},
        {"a patch's columns", c->patch_columns, c->columns},
        {"the patches' row stride", c->row_stride, c->rows},
        {"the patches' column stride", c->column_stride, c->columns},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        attn_status status = classifier_check_range(name, ranges[i].field, ranges[i].value, 1, ranges[i].most);
        if (status != ATTN_OK) return status;
    }
    return classifier_check_range(name, "the number of patches", token_count(c), 1, MOST_POSITIONS);
}

void patch_read_qkv_bias(config *f, classifier_config *c)
{
    c->qkv_bias = config_bool_or(f, "qkv_bias", true);
}

void patch_read_sides(config *f, const char *field, int64_t most, int64_t fallback, int64_t *rows, int64_t *columns)
{
    double sides[2] = {(double)fallback, (double)fallback};
    if (config_numbers_or(f, field, 1, (double)most, 2, sides) == 1) sides[1] = sides[0];
    *rows = (int64_t)sides[0];
    *columns = (int64_t)sides[1];
    if ((double)*rows != sides[0] || (double)*columns != sides[1])
        config_refuse(f, ATTN_ERROR_FORMAT, field, "whole numbers");
}

json_t *patch_write_sides(int64_t rows, int64_t columns)
{
    return rows == columns ? json_integer(rows) : json_pack("[I, I]", (json_int_t)rows, (json_int_t)columns);
}

/* ---- weights ---------------------------------------------------------------------------------------------------- */

/* The biases that a configuration may leave out come last. */
#define QKV_BIASES 3
static const layer_weight layer_weights[] = {
#define MEMBER(m) offsetof(transformer_layer, m)
    {MEMBER(self.q_weight), "attention.attention.query.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.k_weight), "attention.attention.key.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.v_weight), "attention.attention.value.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.o_weight), "attention.output.dense.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.o_bias), "attention.output.dense.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self_norm_gamma), "layernorm_before.weight", LAYER_WEIGHT_D, false},
    {MEMBER(self_norm_beta), "layernorm_before.bias", LAYER_WEIGHT_D, false},
    {MEMBER(fc1_weight), "intermediate.dense.weight", LAYER_WEIGHT_FD, false},
    {MEMBER(fc1_bias), "intermediate.dense.bias", LAYER_WEIGHT_F, false},
    {MEMBER(fc2_weight), "output.dense.weight", LAYER_WEIGHT_DF, false},
    {MEMBER(fc2_bias), "output.dense.bias", LAYER_WEIGHT_D, false},
    {MEMBER(final_norm_gamma), "layernorm_after.weight", LAYER_WEIGHT_D, false},
    {MEMBER(final_norm_beta), "layernorm_after.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self.q_bias), "attention.attention.query.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self.k_bias), "attention.attention.key.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self.v_bias), "attention.attention.value.bias", LAYER_WEIGHT_D, false},
#undef MEMBER
};

static attn_status walk_others(classifier *m, const char *prefix, weight_visitor visit, void *argument)
{
    patch_parts *p = m->parts;
    const classifier_config *c = &m->config;
    const int64_t d = c->width;
    const struct {
        tensor **slot;
        const char *name;
        int rank;
        int64_t shape[4];
    } others[] = {
        {&p->tokens[0], "embeddings.cls_token", 3, {1, 1, d}},
        {&p->tokens[1], "embeddings.distillation_token", classifier_patch_grid(c).classes > 1 ? 3 : 0, {1, 1, d}},
        {&p->positions, "embeddings.position_embeddings", 3, {1, token_count(c), d}},
        {&p->projection_weight,
         "embeddings.patch_embeddings.projection.weight",
         4,
         {d, c->channels, c->patch_rows, c->patch_columns}},
        {&p->projection_bias, "embeddings.patch_embeddings.projection.bias", 1, {d}},
        {&p->norm_gamma, "layernorm.weight", 1, {d}},
        {&p->norm_beta, "layernorm.bias", 1, {d}},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char name[128];
        if (others[i].rank == 0) continue;
        snprintf(name, sizeof name, "%s%s", prefix, others[i].name);
        attn_status status = visit(argument, others[i].slot, name, others[i].rank, others[i].shape);
        if (status != ATTN_OK) return status;
    }
    return ATTN_OK;
}

attn_status patch_walk(classifier *m, const char *prefix, weight_visitor visit, void *argument)
{
    char layers[128];
    snprintf(layers, sizeof layers, "%sencoder.layer.", prefix);
    const layer_stack stack = {m->layers, m->config.layers, false, layers, m->config.width, m->config.ffn, 0, 0};
    const size_t count = sizeof layer_weights / sizeof *layer_weights - (m->config.qkv_bias ? 0 : QKV_BIASES);
    attn_status status = walk_others(m, prefix, visit, argument);
    return status == ATTN_OK ? visit_layers(visit, argument, &stack, layer_weights, count) : status;
}

void patch_begin(classifier *m)
{
    const patch_grid grid = classifier_patch_grid(&m->config);
    const int64_t d = m->config.width, row_width = d / 2, column_width = d - row_width;
    float *places = ((patch_parts *)m->parts)->positions->value + grid.classes * d;
    for (int64_t x = 0; x < grid.columns; x++) positions_fill(places + x * d, grid.rows, row_width, grid.columns * d);
    for (int64_t y = 0; y < grid.rows; y++)
        positions_fill(places + y * grid.columns * d + row_width, grid.columns, column_width, d);
}

/* ---- the way through -------------------------------------------------------------------------------------------- */

/* patches (B * grid, I), each patch in the order of the projection's weights. */
typedef struct patch_cut {
    const classifier_config *config;
    patch_layout layout;
    const float *values;
    float *patches;
} patch_cut;

static float *cut_patch(const patch_cut *cut, const float *from, float *to)
{
    const classifier_config *c = cut->config;
    for (int64_t channel = 0; channel < c->channels; channel++)
        for (int64_t row = 0; row < c->patch_rows; row++) {
            const float *line = from + channel * cut->layout.channel_step + row * cut->layout.row_step;
            for (int64_t column = 0; column < c->patch_columns; column++)
                *to++ = line[column * cut->layout.column_step];
        }
    return to;
}

static void cut_image(void *argument, int64_t image, int worker)
{
    (void)worker;
    const patch_cut *cut = argument;
    const classifier_config *c = cut->config;
    const patch_grid grid = classifier_patch_grid(c);
    const int64_t size = c->channels * c->patch_rows * c->patch_columns;
    const float *values = cut->values + image * c->channels * c->rows * c->columns;
    float *to = cut->patches + image * grid.rows * grid.columns * size;
    for (int64_t y = 0; y < grid.rows; y++)
        for (int64_t x = 0; x < grid.columns; x++)
            to = cut_patch(
                cut, values + y * c->row_stride * cut->layout.row_step + x * c->column_stride * cut->layout.column_step,
                to);
}

/* A constant: nothing flows back to the pixels. */
static tensor *cut_patches(tape *t, const classifier_config *c, const classifier_input *in, patch_layout layout)
{
    const patch_grid grid = classifier_patch_grid(c);
    const int64_t rows = in->batch * grid.rows * grid.columns, size = c->channels * c->patch_rows * c->patch_columns;
    tensor *patches = tape_take(t, 1, sizeof *patches);
    float *values = tape_take(t, rows * size, sizeof *values);
    if (!patches || !values) return tape_nothing(t);
    *patches = (tensor){.rank = 2, .shape = {rows, size}, .value = values};
    patch_cut cut = {c, layout, in->values, values};
    parallel_for(tape_threads(t), in->batch, cut_image, &cut);
    return patches;
}

tensor *patch_encode(tape *t, const classifier *m, const classifier_input *in, patch_layout layout,
                     const attention_weights_sink *sink)
{
    const patch_parts *p = m->parts;
    const classifier_config *c = &m->config;
    if (in->batch < 1 || !in->values) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "%lld images%s, expected at least 1 with its values",
                                 (long long)in->batch, in->values ? "" : " without values"));
        return tape_nothing(t);
    }
    tensor *x =
        tape_linear(t, cut_patches(t, c, in, layout), p->projection_weight, p->projection_bias, ACTIVATION_NONE);
    x = tape_prepend(t, p->tokens, (int)classifier_patch_grid(c).classes, x, in->batch, p->positions);
    x = tape_dropout(t, x, c->dropout);
    return transformer_encode_first(t, &m->options, m->layers, c->layers, x, in->batch, NULL,
                                    classifier_patch_grid(c).classes, sink);
}

tensor *patch_token(tape *t, const classifier *m, tensor *x, int64_t batch, int64_t which)
{
    const patch_parts *p = m->parts;
    const int64_t classes = classifier_patch_grid(&m->config).classes;
    int64_t *rows = tape_take(t, batch, sizeof *rows);
    for (int64_t i = 0; rows && i < batch; i++) rows[i] = i * classes + which;
    return tape_layer_norm(t, tape_take_rows(t, x, rows, batch), NULL, p->norm_gamma, p->norm_beta,
                           m->config.norm_epsilon);
}
