/* A recurrent network in both directions, pooled by attention: Yang et al., "Hierarchical Attention Networks for
 * Document Classification" (2016), equations 5 to 7, for words alone.
 *
 *     h_s = recurrent layers over sqrt(E) embedding[ids]
 *     logits = W Dropout(sum over s of softmax_s(v^T tanh(U h_s + b)) h_s) + b */
#include "base/status.h"
#include "formats/json_file.h"
#include "model/classifier_functions.h"
#include "model/config_limits.h"
#include "model/recurrent_config.h"
#include "model/recurrent_weights.h"

#include <math.h>

#define MOST_RECURRENT_LAYERS 8

typedef struct recurrent_parts {
    tensor *words; /* (vocabulary, E) */
    recurrent_parameters layers[2 * MOST_RECURRENT_LAYERS];
    tensor *key_weight, *query, *score_weight; /* U (d, d), b (1, d), v (d) */
} recurrent_parts;

static void read(config *f, classifier_config *c)
{
    c->cell = (recurrent_cell)config_choice_or(f, "cell_type", recurrent_cell_names, RECURRENT_LSTM);
    c->width = config_integer(f, "hidden_size", 1, MOST_WIDTH);
    c->layers = config_integer(f, "num_hidden_layers", 1, MOST_RECURRENT_LAYERS);
    c->heads = 1;
    c->embedding = config_integer(f, "embedding_size", 1, MOST_WIDTH);
    c->vocab_size = config_integer(f, "vocab_size", 1, MOST_VOCABULARY);
    c->max_positions = config_integer(f, "max_length", 1, MOST_POSITIONS);
    c->pad_id = (int32_t)config_integer_or(f, "pad_token_id", 0, MOST_VOCABULARY, 0);
    c->dropout = (float)config_number_or(f, "dropout", 0, 1, 0);
}

static json_t *write(const classifier_config *c)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:f}", "cell_type", recurrent_cell_names[c->cell],
                     "hidden_size", (json_int_t)c->width, "num_hidden_layers", (json_int_t)c->layers, "embedding_size",
                     (json_int_t)c->embedding, "vocab_size", (json_int_t)c->vocab_size, "max_length",
                     (json_int_t)c->max_positions, "pad_token_id", c->pad_id, "dropout", (double)c->dropout);
}

static attn_status check(const classifier_config *c, const char *name)
{
    attn_status status = classifier_check_range(name, "vocab_size", c->vocab_size, 1, MOST_VOCABULARY);
    if (status == ATTN_OK)
        status = classifier_check_range(name, "num_hidden_layers", c->layers, 1, MOST_RECURRENT_LAYERS);
    if (status == ATTN_OK) status = classifier_check_range(name, "embedding_size", c->embedding, 1, MOST_WIDTH);
    if (status == ATTN_OK) status = classifier_check_range(name, "max_length", c->max_positions, 1, MOST_POSITIONS);
    if (status == ATTN_OK) status = classifier_check_range(name, "pad_token_id", c->pad_id, 0, c->vocab_size - 1);
    if (status != ATTN_OK || c->width % 2 == 0) return status;
    return status_fail(ATTN_ERROR_FORMAT, "%s: hidden_size is %lld, expected an even number for two directions", name,
                       (long long)c->width);
}

static attn_status walk(void *model, weight_visitor visit, void *argument)
{
    classifier *m = model;
    recurrent_parts *p = m->parts;
    const classifier_config *c = &m->config;
    const int64_t d = c->width;
    attn_status status = visit_matrix(visit, argument, &p->words, "embeddings.weight", c->vocab_size, c->embedding);
    if (status == ATTN_OK)
        status = recurrent_visit(p->layers, "encoder", c->layers, 2, c->embedding, d / 2, recurrent_gates(c->cell),
                                 visit, argument);
    if (status == ATTN_OK) status = visit_matrix(visit, argument, &p->key_weight, "attention.key.weight", d, d);
    if (status == ATTN_OK) status = visit_matrix(visit, argument, &p->query, "attention.query", 1, d);
    if (status == ATTN_OK) status = visit_vector(visit, argument, &p->score_weight, "attention.score.weight", d);
    if (status == ATTN_OK)
        status = visit_matrix(visit, argument, &m->head_weight, "classifier.weight", c->label_count, d);
    if (status == ATTN_OK) status = visit_vector(visit, argument, &m->head_bias, "classifier.bias", c->label_count);
    return status;
}

static void begin(classifier *m)
{
    const recurrent_parts *p = m->parts;
    if (m->config.cell == RECURRENT_LSTM) recurrent_open_forget_gates(p->layers, 2 * m->config.layers);
}

/* Every text is asked the same: b, once for each. */
static tensor *repeat_query(tape *t, const recurrent_parts *p, int64_t batch)
{
    int32_t *first = tape_take(t, batch, sizeof *first);
    for (int64_t b = 0; first && b < batch; b++) first[b] = 0;
    return first ? tape_embed(t, p->query, first, batch, 1) : tape_nothing(t);
}

static tensor *pool(tape *t, const recurrent_parts *p, const classifier_input *in, tensor *x, float *weights)
{
    const attention_mask padding = {.key_lengths = in->lengths};
    tensor *keys = tape_linear(t, x, p->key_weight, NULL, ACTIVATION_NONE);
    return tape_additive_attention(t, repeat_query(t, p, in->batch), keys, x, p->score_weight, in->batch, 1, padding, 0,
                                   weights);
}

static tensor *logits(tape *t, const classifier *m, const classifier_input *in, const attention_weights_sink *sink)
{
    const recurrent_parts *p = m->parts;
    const classifier_config *c = &m->config;
    const recurrent_options o = {c->cell, c->layers, true, c->dropout};
    if (in->length < 1 || in->length > c->max_positions) {
        tape_fail(t, status_fail(ATTN_ERROR_ARGUMENT, "a text of %lld pieces, expected 1 to max_length, %lld",
                                 (long long)in->length, (long long)c->max_positions));
        return tape_nothing(t);
    }
    tensor *x = tape_embed(t, p->words, in->ids, in->batch * in->length, sqrtf((float)c->embedding));
    x = tape_dropout(t, x, c->dropout);
    x = recurrent_stack(t, &o, p->layers, x, in->batch, in->lengths, NULL, NULL);
    x = pool(t, p, in, x, sink && sink->self ? sink->self[0] : NULL);
    return tape_linear(t, tape_dropout(t, x, c->dropout), m->head_weight, m->head_bias, ACTIVATION_NONE);
}

const classifier_functions recurrent_functions = {
    .model_type = "attn-rnn",
    .architecture = "RecurrentForSequenceClassification",
    .recurrent = true,
    .parts_size = sizeof(recurrent_parts),
    .read = read,
    .write = write,
    .check = check,
    .walk = walk,
    .begin = begin,
    .logits = logits,
};
