#include "model/looked_at.h"

#include "base/checked.h"
#include "base/status.h"

#include <stdlib.h>

#define MOST_WEIGHTS ((int64_t)1 << 27)

void looked_at_free(const attn_seq_attention *attention)
{
    looked_at *l = (looked_at *)attention;
    if (!l) return;
    free(l->weights);
    free(l->layers);
    free(l->labels);
    patch_picture_free(l->picture);
    free(l);
}

/* A recurrent network has one query, which pools the text; in a Transformer every position is one, in every layer. */
static attn_seq_attention shape_of(const classifier_config *c, int64_t positions)
{
    if (c->family == CLASSIFIER_RECURRENT)
        return (attn_seq_attention){
            .kind = ATTN_SEQ_ATTENTION_POOLING, .layers = 1, .heads = 1, .rows = 1, .columns = positions};
    return (attn_seq_attention){.kind = ATTN_SEQ_ATTENTION_ENCODER,
                                .layers = c->layers,
                                .heads = c->heads,
                                .rows = positions,
                                .columns = positions};
}

static bool count_weights(const attn_seq_attention *a, int64_t *count)
{
    return checked_mul_i64(a->rows, a->columns, count) && checked_mul_i64(*count, a->layers * a->heads, count) &&
           *count <= MOST_WEIGHTS;
}

/* Pieces belong to the model's tokenizer. */
static bool label(looked_at *l, const attn_seq_model *model, const prepared_input *input)
{
    for (int64_t i = 0; input->ids && i < input->length; i++)
        l->labels[i] = tokenizer_piece(model->tokenizer, TOKENIZER_SOURCE, input->ids[i]);
    if (input->ids) return true;
    l->picture = patch_picture_create(model, input->values);
    for (int64_t i = 0; l->picture && i < input->length; i++) l->labels[i] = l->picture->labels[i];
    return l->picture != NULL;
}

attn_status looked_at_create(looked_at **out, const attn_seq_model *model, const prepared_input *input)
{
    *out = NULL;
    const classifier_config *c = &model->classifier->config;
    int64_t n = input->length, count;
    attn_seq_attention shape = shape_of(c, n);
    if (!count_weights(&shape, &count))
        return status_fail(ATTN_ERROR_UNSUPPORTED,
                           "classified without attention weights: %lld positions have more than 2^27", (long long)n);
    looked_at *l = calloc(1, sizeof *l);
    if (!l) return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    l->weights = calloc((size_t)count + 1, sizeof *l->weights);
    l->layers = calloc((size_t)shape.layers + 1, sizeof *l->layers);
    l->labels = calloc((size_t)n + 1, sizeof *l->labels);
    if (!l->weights || !l->layers || !l->labels) {
        looked_at_free(&l->attention);
        return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    }
    for (int64_t i = 0; i < shape.layers; i++) l->layers[i] = l->weights + i * shape.heads * shape.rows * shape.columns;
    if (!label(l, model, input)) {
        looked_at_free(&l->attention);
        return status_fail(ATTN_ERROR_MEMORY, "no memory for attention's labels");
    }
    l->sink.self = l->layers;
    l->labels[n] = "label"; /* what a lone row is read for */
    shape.weights = l->weights;
    shape.row_labels = c->family == CLASSIFIER_RECURRENT ? l->labels + n : l->labels;
    shape.column_labels = l->labels;
    shape.patches = l->picture ? &l->picture->patches : NULL;
    l->attention = shape;
    *out = l;
    return ATTN_OK;
}
