/* BertForSequenceClassification: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language
 * Understanding" (2019).
 *
 *     x = Dropout(LayerNorm(word[ids] + position[0 .. S - 1] + type[0]))
 *     x = encoder(x), its norms after
 *     logits = W Dropout(tanh(Wp x[0] + bp)) + b, of the first piece, [CLS] */
#include "base/status.h"
#include "formats/json_file.h"
#include "model/classifier_functions.h"
#include "model/config_limits.h"

#include <stddef.h>

typedef struct bert_parts {
    tensor *words, *positions, *types; /* (vocabulary, d), (max_positions, d), (type_vocab_size, d) */
    tensor *norm_gamma, *norm_beta;
    tensor *pooler_weight, *pooler_bias;
} bert_parts;

static void read(config *f, classifier_config *c)
{
    static const char *const positions[] = {"absolute", NULL};
    classifier_read_transformer(f, c, 1e-12, 0.1);
    c->vocab_size = config_integer(f, "vocab_size", 1, MOST_VOCABULARY);
    c->type_vocab_size = config_integer_or(f, "type_vocab_size", 1, MOST_VOCABULARY, 2);
    c->max_positions = config_integer_or(f, "max_position_embeddings", 1, MOST_POSITIONS, 512);
    c->pad_id = (int32_t)config_integer_or(f, "pad_token_id", 0, MOST_VOCABULARY, 0);
    c->classifier_dropout = (float)config_number_or(f, "classifier_dropout", 0, 1, -1);
    config_choice_or(f, "position_embedding_type", positions, 0);
    if (config_bool_or(f, "is_decoder", false)) config_refuse(f, ATTN_ERROR_UNSUPPORTED, "is_decoder", "false");
}

static json_t *write(const classifier_config *c)
{
    json_t *own = json_pack("{s:I, s:I, s:I, s:i, s:o}", "vocab_size", (json_int_t)c->vocab_size, "type_vocab_size",
                            (json_int_t)c->type_vocab_size, "max_position_embeddings", (json_int_t)c->max_positions,
                            "pad_token_id", c->pad_id, "classifier_dropout",
                            c->classifier_dropout < 0 ? json_null() : json_real((double)c->classifier_dropout));
    return json_joined(classifier_write_transformer(c), own);
}

static attn_status check(const classifier_config *c, const char *name)
{
    attn_status status = classifier_check_range(name, "vocab_size", c->vocab_size, 1, MOST_VOCABULARY);
    if (status == ATTN_OK)
        status = classifier_check_range(name, "type_vocab_size", c->type_vocab_size, 1, MOST_VOCABULARY);
    if (status == ATTN_OK)
        status = classifier_check_range(name, "max_position_embeddings", c->max_positions, 1, MOST_POSITIONS);
    return status == ATTN_OK ? classifier_check_range(name, "pad_token_id", c->pad_id, 0, c->vocab_size - 1) : status;
}

static const layer_weight layer_weights[] = {
#define MEMBER(m) offsetof(transformer_layer, m)
    {MEMBER(self.q_weight), "attention.self.query.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.q_bias), "attention.self.query.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self.k_weight), "attention.self.key.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.k_bias), "attention.self.key.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self.v_weight), "attention.self.value.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.v_bias), "attention.self.value.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self.o_weight), "attention.output.dense.weight", LAYER_WEIGHT_DD, false},
    {MEMBER(self.o_bias), "attention.output.dense.bias", LAYER_WEIGHT_D, false},
    {MEMBER(self_norm_gamma), "attention.output.LayerNorm.weight", LAYER_WEIGHT_D, false},
    {MEMBER(self_norm_beta), "attention.output.LayerNorm.bias", LAYER_WEIGHT_D, false},
    {MEMBER(fc1_weight), "intermediate.dense.weight", LAYER_WEIGHT_FD, false},
    {MEMBER(fc1_bias), "intermediate.dense.bias", LAYER_WEIGHT_F, false},
    {MEMBER(fc2_weight), "output.dense.weight", LAYER_WEIGHT_DF, false},
    {MEMBER(fc2_bias), "output.dense.bias", LAYER_WEIGHT_D, false},
    {MEMBER(final_norm_gamma), "output.LayerNorm.weight", LAYER_WEIGHT_D, false},
    {MEMBER(final_norm_beta), "output.LayerNorm.bias", LAYER_WEIGHT_D, false},
#undef MEMBER
};

static attn_status walk(void *model, weight_visitor visit, void *argument)
{
    classifier *m = model;
    bert_parts *p = m->parts;
    const classifier_config *c = &m->config;
    const int64_t d = c->width;
    const layer_stack stack = {m->layers, c->layers, false, "bert.encoder.layer.", d, c->ffn, 0, 0};
    const struct {
        tensor **slot;
        const char *name;
        int64_t rows, columns; /* columns 0: a vector */
    } others[] = {
        {&p->words, "bert.embeddings.word_embeddings.weight", c->vocab_size, d},
        {&p->positions, "bert.embeddings.position_embeddings.weight", c->max_positions, d},
        {&p->types, "bert.embeddings.token_type_embeddings.weight", c->type_vocab_size, d},
        {&p->norm_gamma, "bert.embeddings.LayerNorm.weight", d, 0},
        {&p->norm_beta, "bert.embeddings.LayerNorm.bias", d, 0},
        {&p->pooler_weight, "bert.pooler.dense.weight", d, d},
        {&p->pooler_bias, "bert.pooler.dense.bias", d, 0},
        {&m->head_weight, "classifier.weight", c->label_count, d},
        {&m->head_bias, "classifier.bias", c->label_count, 0},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const int64_t shape[2] = {others[i].rows, others[i].columns};
        attn_status status = visit(argument, others[i].slot, others[i].name, shape[1] ? 2 : 1, shape);
        if (status != ATTN_OK) return status;
    }
    return visit_layers(visit, argument, &stack, layer_weights, sizeof layer_weights / sizeof *layer_weights);
}

/* The tables' rows for positions and types, on the tape as the backward pass reads them too. */
static tensor *embed(tape *t, const classifier *m, const classifier_input *in)
{
    const bert_parts *p = m->parts;
    const int64_t rows = in->batch * in->length;
    int32_t *places = tape_take(t, rows, sizeof *places), *types = tape_take(t, rows, sizeof *types);
    if (!places || !types) return tape_nothing(t);
    for (int64_t r = 0; r < rows; r++) {
        places[r] = (int32_t)(r % in->length);
        types[r] = 0;
    }
    tensor *x = tape_add(t, tape_embed(t, p->words, in->ids, rows, 1), tape_embed(t, p->positions, places, rows, 1));
    x = tape_layer_norm(t, tape_embed(t, p->types, types, rows, 1), x, p->norm_gamma, p->norm_beta,
                        m->config.norm_epsilon);
    return tape_dropout(t, x, m->config.dropout);
}

static tensor *logits(tape *t, const classifier *m, const classifier_input *in, const attention_weights_sink *sink)
{
    const bert_parts *p = m->parts;
    const classifier_config *c = &m->config;
    if (in->length < 1 || in->length > c->max_positions) {
        tape_fail(t,
                  status_fail(ATTN_ERROR_ARGUMENT, "a text of %lld pieces, expected 1 to max_position_embeddings, %lld",
                              (long long)in->length, (long long)c->max_positions));
        return tape_nothing(t);
    }
    tensor *x = embed(t, m, in);
    x = transformer_encode_first(t, &m->options, m->layers, c->layers, x, in->batch, in->lengths, 1, sink);
    x = tape_linear(t, x, p->pooler_weight, p->pooler_bias, ACTIVATION_TANH);
    x = tape_dropout(t, x, c->classifier_dropout < 0 ? c->dropout : c->classifier_dropout);
    return tape_linear(t, x, m->head_weight, m->head_bias, ACTIVATION_NONE);
}

const classifier_functions bert_functions = {
    .model_type = "bert",
    .architecture = "BertForSequenceClassification",
    .encoder_prefix = "bert.",
    .parts_size = sizeof(bert_parts),
    .read = read,
    .write = write,
    .check = check,
    .walk = walk,
    .logits = logits,
};
