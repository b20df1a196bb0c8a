/* ViTForImageClassification: Dosovitskiy et al., "An Image is Worth 16x16 Words" (2021).
 *
 *     x = Dropout([class; patches E + b] + positions)
 *     x = encoder(x), its norms before
 *     logits = W LayerNorm(x[0]) + b, of the class token */
#include "formats/json_file.h"
#include "model/config_limits.h"
#include "model/patch_transformer.h"

static void read(config *f, classifier_config *c)
{
    classifier_read_transformer(f, c, 1e-12, 0);
    c->channels = config_integer_or(f, "num_channels", 1, MOST_CHANNELS, 3);
    patch_read_sides(f, "image_size", MOST_SIDE, 224, &c->rows, &c->columns);
    patch_read_sides(f, "patch_size", MOST_SIDE, 16, &c->patch_rows, &c->patch_columns);
    c->row_stride = c->patch_rows;
    c->column_stride = c->patch_columns;
    patch_read_qkv_bias(f, c);
}

static json_t *write(const classifier_config *c)
{
    json_t *own = json_pack("{s:I, s:o, s:o, s:b}", "num_channels", (json_int_t)c->channels, "image_size",
                            patch_write_sides(c->rows, c->columns), "patch_size",
                            patch_write_sides(c->patch_rows, c->patch_columns), "qkv_bias", c->qkv_bias);
    return json_joined(classifier_write_transformer(c), own);
}

static attn_status check(const classifier_config *c, const char *name)
{
    attn_status status = patch_check(c, name);
    if (status == ATTN_OK)
        status = classifier_check_range(name, "the patches' row stride", c->row_stride, c->patch_rows, c->patch_rows);
    if (status != ATTN_OK) return status;
    return classifier_check_range(name, "the patches' column stride", c->column_stride, c->patch_columns,
                                  c->patch_columns);
}

static attn_status walk(void *model, weight_visitor visit, void *argument)
{
    classifier *m = model;
    attn_status status = patch_walk(m, "vit.", visit, argument);
    if (status == ATTN_OK)
        status =
            visit_matrix(visit, argument, &m->head_weight, "classifier.weight", m->config.label_count, m->config.width);
    if (status != ATTN_OK) return status;
    return visit_vector(visit, argument, &m->head_bias, "classifier.bias", m->config.label_count);
}

static tensor *logits(tape *t, const classifier *m, const classifier_input *in, const attention_weights_sink *sink)
{
    const classifier_config *c = &m->config;
    const patch_layout layout = {c->rows * c->columns, c->columns, 1};
    tensor *x = patch_encode(t, m, in, layout, sink);
    return tape_linear(t, patch_token(t, m, x, in->batch, 0), m->head_weight, m->head_bias, ACTIVATION_NONE);
}

const classifier_functions vit_functions = {
    .model_type = "vit",
    .architecture = "ViTForImageClassification",
    .pre_norm = true,
    .encoder_prefix = "vit.",
    .parts_size = sizeof(patch_parts),
    .read = read,
    .write = write,
    .check = check,
    .walk = walk,
    .begin = patch_begin,
    .logits = logits,
};
