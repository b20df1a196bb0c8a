/* Classifiers that begin with a directory's weights: heads for the same labels, for others, and files without one. */
#include "../scratch.h"

#include "base/random.h"
#include "base/replace_file.h"
#include "base/status.h"
#include "model/classifier_renewed.h"

#include <math.h>

enum { LABELS = 3 };

static char *labels[LABELS] = {"bad", "so so", "good"};

/* A model whose weights are all its own, saved. */
static classifier *save(classifier_family family)
{
    const classifier_config c = {.family = family,
                                 .label_count = LABELS,
                                 .labels = labels,
                                 .width = 12,
                                 .layers = 1,
                                 .heads = family == CLASSIFIER_BERT ? 2 : 1,
                                 .ffn = 20,
                                 .activation = ACTIVATION_GELU,
                                 .norm_epsilon = 1e-12f,
                                 .classifier_dropout = -1,
                                 .cell = RECURRENT_GRU,
                                 .embedding = 6,
                                 .vocab_size = 17,
                                 .type_vocab_size = 1,
                                 .max_positions = 9};
    classifier *m;
    if (classifier_create(&m, &c, true, 3) != ATTN_OK) fail_msg("%s", status_message());
    for (int64_t i = 0; i < m->parameters.total; i++)
        m->parameters.values[i] += random_unit(random_philox(1, (uint64_t)i, 0).word[0]) - 0.5f;
    assert_int_equal(classifier_save(m, scratch_directory, WEIGHTS_FP32), ATTN_OK);
    return m;
}

static classifier *renew(int64_t count, char **names, weights_drawn *drawn)
{
    classifier *m;
    if (classifier_renew(&m, scratch_directory, count, names, 7, drawn) != ATTN_OK) fail_msg("%s", status_message());
    assert_int_equal(m->config.label_count, count);
    assert_string_equal(m->config.labels[count - 1], names[count - 1]);
    return m;
}

static bool equal(const tensor *a, const tensor *b)
{
    return tensor_count(a) == tensor_count(b) &&
           memcmp(a->value, b->value, (size_t)tensor_count(a) * sizeof *a->value) == 0;
}

/* All of one model's weights, save the head's, where `pooler` says so the pooler's too. */
static void same_encoder(classifier *a, classifier *b, bool pooler)
{
    for (int64_t i = 0; i < a->parameters.count; i++) {
        const parameter *p = &a->parameters.items[i];
        if (strncmp(p->name, "classifier.", 11) == 0 || (!pooler && strstr(p->name, "pooler."))) continue;
        if (!equal(&p->tensor, parameters_find(&b->parameters, p->name))) fail_msg("%s differs", p->name);
    }
}

static void heads_of_the_same_labels_stay(void **state)
{
    (void)state;
    char *others[LABELS] = {"good", "bad", "so so"};
    const int64_t from[LABELS] = {2, 0, 1};
    for (int i = 0; i < 2; i++) {
        weights_drawn drawn;
        classifier *m = save(i ? CLASSIFIER_RECURRENT : CLASSIFIER_BERT), *again = renew(LABELS, others, &drawn);
        assert_int_equal(drawn.count, 0);
        same_encoder(m, again, true);
        for (int64_t l = 0; l < LABELS; l++) {
            const float *row = again->head_weight->value + l * m->config.width;
            assert_memory_equal(row, m->head_weight->value + from[l] * m->config.width, 12 * sizeof *row);
            assert_true(again->head_bias->value[l] == m->head_bias->value[from[l]]);
        }
        classifier_destroy(m);
        classifier_destroy(again);
    }
}

static void heads_of_other_labels_are_drawn(void **state)
{
    (void)state;
    char *fewer[2] = {"bad", "good"}, *others[LABELS] = {"bad", "so so", "fine"};
    for (int i = 0; i < 2; i++) {
        weights_drawn drawn;
        classifier *m = save(CLASSIFIER_BERT), *again = renew(i ? LABELS : 2, i ? others : fewer, &drawn);
        assert_int_equal(drawn.count, 2);
        assert_string_equal(drawn.names, "classifier.weight, classifier.bias");
        same_encoder(m, again, true);
        assert_false(equal(m->head_weight, again->head_weight));
        assert_true(again->head_bias->value[0] == 0);
        float largest = 0;
        for (int j = 0; j < 12; j++) largest = fmaxf(largest, fabsf(again->head_weight->value[j]));
        assert_true(largest > 0);
        classifier_destroy(m);
        classifier_destroy(again);
    }
}

/* model.safetensors as transformers.BertModel writes it: names without "bert.", no head; as BertForMaskedLM writes it:
 * with it, and no pooler. config.json tells which. */
static void save_encoder(classifier *m, bool bare, const char *left_out)
{
    safetensors_entry entries[64];
    int64_t count = 0;
    for (int64_t i = 0; i < m->parameters.count; i++) {
        const parameter *p = &m->parameters.items[i];
        if (strncmp(p->name, "classifier.", 11) == 0 || strstr(p->name, left_out)) continue;
        entries[count++] = (safetensors_entry){p->name + (bare ? strlen("bert.") : 0), SAFETENSORS_F32, p->tensor.rank,
                                               p->tensor.shape, p->tensor.value};
    }
    assert_int_equal(safetensors_write(scratch_path("model.safetensors"), entries, count, NULL, 0), ATTN_OK);
    char text[256];
    snprintf(text, sizeof text,
             "{\"architectures\": [\"%s\"], \"model_type\": \"bert\", \"hidden_size\": 12, \"num_hidden_layers\": 1, "
             "\"num_attention_heads\": 2, \"intermediate_size\": 20, \"vocab_size\": 17, \"type_vocab_size\": 1, "
             "\"max_position_embeddings\": 9}",
             bare ? "BertModel" : "BertForMaskedLM");
    assert_int_equal(replace_file_save(scratch_path("config.json"), text, strlen(text)), ATTN_OK);
}

static void encoders_are_given_a_head(void **state)
{
    (void)state;
    for (int bare = 0; bare < 2; bare++) {
        weights_drawn drawn;
        classifier *m = save(CLASSIFIER_BERT), *opened;
        save_encoder(m, bare, bare ? "(none)" : "pooler.");
        assert_int_equal(classifier_open(&opened, scratch_directory, false), ATTN_ERROR_UNSUPPORTED);
        classifier *again = renew(LABELS, labels, &drawn);
        assert_int_equal(drawn.count, bare ? 2 : 4);
        same_encoder(m, again, bare);
        classifier_destroy(again);

        save_encoder(m, bare, "layer.0.output.dense.bias");
        assert_int_equal(classifier_renew(&opened, scratch_directory, LABELS, labels, 7, &drawn), ATTN_ERROR_FORMAT);
        assert_null(opened);
        assert_non_null(strstr(status_message(), "bert.encoder.layer.0.output.dense.bias is missing"));
        classifier_destroy(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_the_same_labels_stay),
        cmocka_unit_test(heads_of_other_labels_are_drawn),
        cmocka_unit_test(encoders_are_given_a_head),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
