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

static bool count_weights(const classifier_config *c, int64_t positions, int64_t *count)
{
    return checked_mul_i64(positions, positions, count) && checked_mul_i64(*count, c->layers * c->heads, count) &&
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
    if (!count_weights(c, n, &count))
        return status_fail(ATTN_ERROR_UNSUPPORTED,
                           "classified without attention weights: %lld positions have more than 2^27", (long long)n);
    looked_at *l = calloc(1, sizeof *l);
    if (!l) return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    l->weights = calloc((size_t)count + 1, sizeof *l->weights);
    l->layers = calloc((size_t)c->layers + 1, sizeof *l->layers);
    l->labels = calloc((size_t)n, sizeof *l->labels);
    if (!l->weights || !l->layers || !l->labels) {
        looked_at_free(&l->attention);
        return status_fail(ATTN_ERROR_MEMORY, "no memory for attention weights");
    }
    for (int64_t i = 0; i < c->layers; i++) l->layers[i] = l->weights + i * c->heads * n * n;
    if (!label(l, model, input)) {
        looked_at_free(&l->attention);
        return status_fail(ATTN_ERROR_MEMORY, "no memory for attention's labels");
    }
    l->sink.self = l->layers;
    l->attention = (attn_seq_attention){.kind = ATTN_SEQ_ATTENTION_ENCODER,
                                        .layers = c->layers,
                                        .heads = c->heads,
                                        .rows = n,
                                        .columns = n,
                                        .weights = l->weights,
                                        .row_labels = l->labels,
                                        .column_labels = l->labels,
                                        .patches = l->picture ? &l->picture->patches : NULL};
    *out = l;
    return ATTN_OK;
}
