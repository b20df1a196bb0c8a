/* ASTForAudioClassification: Gong, Chung, Glass, "AST: Audio Spectrogram Transformer" (2021). ViT over a spectrogram
 * whose patches overlap, with the distillation token of DeiT beside the class token:
 *
 *     logits = W LayerNorm((LayerNorm(x[0]) + LayerNorm(x[1])) / 2) + b */
#include "formats/json_file.h"
#include "model/config_limits.h"
#include "model/patch_transformer.h"

#define PREFIX "audio_spectrogram_transformer."

static void read(config *f, classifier_config *c)
{
    classifier_read_transformer(f, c, 1e-12, 0);
    c->channels = 1;
    c->rows = config_integer_or(f, "num_mel_bins", 1, MOST_SIDE, 128);
    c->columns = config_integer_or(f, "max_length", 1, MOST_SIDE, 1024);
    c->patch_rows = c->patch_columns = config_integer_or(f, "patch_size", 1, MOST_SIDE, 16);
    c->row_stride = config_integer_or(f, "frequency_stride", 1, MOST_SIDE, 10);
    c->column_stride = config_integer_or(f, "time_stride", 1, MOST_SIDE, 10);
    patch_read_qkv_bias(f, c);
}

static json_t *write(const classifier_config *c)
{
    json_t *own =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "num_mel_bins", (json_int_t)c->rows, "max_length",
                  (json_int_t)c->columns, "patch_size", (json_int_t)c->patch_rows, "frequency_stride",
                  (json_int_t)c->row_stride, "time_stride", (json_int_t)c->column_stride, "qkv_bias", c->qkv_bias);
    return json_joined(classifier_write_transformer(c), own);
}

static attn_status check(const classifier_config *c, const char *name)
{
    attn_status status = patch_check(c, name);
    if (status == ATTN_OK) status = classifier_check_range(name, "the number of channels", c->channels, 1, 1);
    if (status != ATTN_OK) return status;
    return classifier_check_range(name, "a patch's columns", c->patch_columns, c->patch_rows, c->patch_rows);
}

static attn_status walk(void *model, weight_visitor visit, void *argument)
{
    classifier *m = model;
    patch_parts *p = m->parts;
    const int64_t d = m->config.width, labels = m->config.label_count;
    attn_status status = patch_walk(m, PREFIX, visit, argument);
    if (status == ATTN_OK)
        status = visit_vector(visit, argument, &p->head_norm_gamma, "classifier.layernorm.weight", d);
    if (status == ATTN_OK) status = visit_vector(visit, argument, &p->head_norm_beta, "classifier.layernorm.bias", d);
    if (status == ATTN_OK)
        status = visit_matrix(visit, argument, &m->head_weight, "classifier.dense.weight", labels, d);
    if (status != ATTN_OK) return status;
    return visit_vector(visit, argument, &m->head_bias, "classifier.dense.bias", labels);
}

/* The head's norm takes the sum of the two tokens for their mean: twice the values with four times the epsilon, which
 * stands beside the variance, have the same norm. */
static tensor *logits(tape *t, const classifier *m, const classifier_input *in, const attention_weights_sink *sink)
{
    const patch_parts *p = m->parts;
    const patch_layout layout = {0, 1, m->config.rows}; /* values are (frames, bins) */
    tensor *x = patch_encode(t, m, in, layout, sink);
    tensor *class = patch_token(t, m, x, in->batch, 0), *distillation = patch_token(t, m, x, in->batch, 1);
    x = tape_layer_norm(t, class, distillation, p->head_norm_gamma, p->head_norm_beta, 4 * m->config.norm_epsilon);
    return tape_linear(t, x, m->head_weight, m->head_bias, ACTIVATION_NONE);
}

const classifier_functions ast_functions = {
    .model_type = "audio-spectrogram-transformer",
    .architecture = "ASTForAudioClassification",
    .pre_norm = true,
    .encoder_prefix = PREFIX,
    .parts_size = sizeof(patch_parts),
    .read = read,
    .write = write,
    .check = check,
    .walk = walk,
    .begin = patch_begin,
    .logits = logits,
};
