/* The fixtures' classifiers, run here, against what transformers computed (tests/fixtures/make_bert.py,
 * make_patches.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "classifier_expectation.h"
#include "../scratch.h"
#include "edited_fixture.h"

#include "base/status.h"
#include "tensor/operations.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLERANCE 1e-4f

static const char *const fixtures[] = {"bert/plain", "bert/labels", "bert/odd_width", "bert/bf16",
                                       "bert/fp16",  "vit/grey",    "vit/colour",     "vit/oblong",
                                       "vit/bf16",   "ast/overlap", "ast/apart"};
#define FIXTURES (sizeof fixtures / sizeof *fixtures)

static classifier *open_directory(const char *directory, bool trainable)
{
    classifier *m;
    if (classifier_open(&m, directory, trainable) != ATTN_OK) fail_msg("%s", status_message());
    return m;
}

static classifier *open_fixture(const char *fixture, bool trainable)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", MODEL_FIXTURES, fixture);
    return open_directory(path, trainable);
}

static void expect_fixture(const classifier *m, const char *fixture)
{
    char expected[600];
    float largest = INFINITY;
    snprintf(expected, sizeof expected, "%s/%s/expected.safetensors", MODEL_FIXTURES, fixture);
    if (classifier_compare(m, expected, &largest) != ATTN_OK) fail_msg("%s: %s", fixture, status_message());
    if (!(largest <= TOLERANCE)) fail_msg("%s: off by %g", fixture, (double)largest);
}

static void runs_what_transformers_saved(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        classifier *m = open_fixture(fixtures[i], i % 2 == 1);
        expect_fixture(m, fixtures[i]);
        classifier_destroy(m);
    }
}

static void labels_are_the_files_own(void **state)
{
    (void)state;
    static const char *const own[] = {"anger", "joy", "été", "fear", "none"};
    classifier *m = open_fixture("bert/labels", false);
    assert_int_equal(m->config.label_count, 5);
    for (int i = 0; i < 5; i++) assert_string_equal(m->config.labels[i], own[i]);
    classifier_destroy(m);
    m = open_fixture("bert/plain", false); /* two labels are not written */
    assert_int_equal(m->config.label_count, 2);
    assert_string_equal(m->config.labels[1], "LABEL_1");
    classifier_destroy(m);
}

static void fp32_weights_are_not_copied(void **state)
{
    (void)state;
    classifier *m = open_fixture("bert/plain", false);
    assert_int_equal(m->parameters.total, 0);
    assert_non_null(m->file);
    classifier_destroy(m);
    m = open_fixture("bert/bf16", false);
    assert_true(m->parameters.total > 0);
    classifier_destroy(m);
}

static void returns_what_it_saved(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        classifier *m = open_fixture(fixtures[i], false);
        weight_format format = strstr(fixtures[i], "bf16") ? WEIGHTS_BF16 : WEIGHTS_FP32;
        if (classifier_save(m, scratch_directory, format) != ATTN_OK) fail_msg("%s", status_message());
        classifier *again = open_directory(scratch_directory, false);
        assert_int_equal(again->config.label_count, m->config.label_count);
        for (int64_t l = 0; l < m->config.label_count; l++)
            assert_string_equal(again->config.labels[l], m->config.labels[l]);
        assert_true(again->config.classifier_dropout == m->config.classifier_dropout);
        assert_true(again->config.norm_epsilon == m->config.norm_epsilon);
        expect_fixture(again, fixtures[i]);
        classifier_destroy(again);
        classifier_destroy(m);
    }
}

/* Which transformers could not open. */
static void int8_is_not_for_exchange(void **state)
{
    (void)state;
    classifier *m = open_fixture(fixtures[0], false);
    assert_int_equal(classifier_save(m, scratch_directory, WEIGHTS_INT8), ATTN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "weights in int8, which transformers does not read"));
    classifier_destroy(m);
}

static void names_what_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new;
        attn_status status;
        const char *words;
    } cases[] = {
        {"\"hidden_size\": 16", "\"hidden_size\": 32", ATTN_ERROR_FORMAT,
         "model.safetensors: bert.embeddings.word_embeddings.weight has shape (50, 16), expected (50, 32) from "
         "config.json"},
        {"\"hidden_size\": 16", "\"hidden_size\": 15", ATTN_ERROR_FORMAT,
         "config.json: num_attention_heads is 2, expected a divisor of hidden_size, 15"},
        {"\"num_hidden_layers\": 1", "\"num_hidden_layers\": 2", ATTN_ERROR_FORMAT,
         "model.safetensors: bert.encoder.layer.1.attention.self.query.weight is missing"},
        {"\"model_type\": \"bert\"", "\"model_type\": \"roberta\"", ATTN_ERROR_UNSUPPORTED,
         "config.json: architectures is [\"BertForSequenceClassification\"], expected that of a classifier, one of "
         "BertForSequenceClassification"},
        {"BertForSequenceClassification", "BertForMaskedLM", ATTN_ERROR_UNSUPPORTED,
         "config.json: architectures is [\"BertForMaskedLM\"], expected that of a classifier"},
        {"\"is_decoder\": false", "\"is_decoder\": true", ATTN_ERROR_UNSUPPORTED, "is_decoder is true, expected false"},
        {"\"hidden_act\": \"gelu\"", "\"hidden_act\": \"quick_gelu\"", ATTN_ERROR_UNSUPPORTED,
         "hidden_act is \"quick_gelu\", expected one of relu, gelu"},
        {"\"use_cache\": true", "\"id2label\": {\"0\": \"a\", \"2\": \"b\"}", ATTN_ERROR_FORMAT,
         "id2label: 1 is missing, expected a string"},
        {"\"use_cache\": true", "\"id2label\": {}", ATTN_ERROR_FORMAT, "id2label is {}, expected an object of 1 to"},
        {"\"use_cache\": true", "\"id2label\": {\"0\": \"a\", \"1\": \"b\", \"2\": \"c\"}", ATTN_ERROR_FORMAT,
         "classifier.weight has shape (2, 16), expected (3, 16)"},
        {"\"use_cache\": true", "\"problem_type\": \"regression\"", ATTN_ERROR_UNSUPPORTED,
         "problem_type is \"regression\", expected one of single_label_classification"},
        {"\"pad_token_id\": 0", "\"pad_token_id\": 50", ATTN_ERROR_FORMAT, "pad_token_id is 50, expected 0 to 49"},
        {"\"vocab_size\": 50", "\"vocab_size\": 99999999999", ATTN_ERROR_FORMAT, "vocab_size is 99999999999, expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        edit_fixture(MODEL_FIXTURES "/bert/plain", scratch_directory, cases[i].old, cases[i].new);
        classifier *m;
        assert_int_equal(classifier_open(&m, scratch_directory, false), cases[i].status);
        assert_null(m);
        if (!strstr(status_message(), cases[i].words)) fail_msg("%s\nis not: %s", status_message(), cases[i].words);
    }
}

static void fails_the_tape_on_wrong_input(void **state)
{
    (void)state;
    classifier *m = open_fixture("bert/plain", false);
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
    int32_t ids[21] = {0};
    classifier_logits(t, m, &(classifier_input){.batch = 1, .ids = ids, .length = 21}, NULL);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_begin(t, 0);
    ids[3] = 50;
    classifier_logits(t, m, &(classifier_input){.batch = 1, .ids = ids, .length = 20}, NULL);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_destroy(t);
    classifier_destroy(m);
}

/* A few steps down the gradient make the labels of four texts more likely: every part takes part. */
static void learns(void **state)
{
    (void)state;
    static char first[] = "no", second[] = "yes";
    static char *labels[] = {first, second};
    const classifier_config config = {.label_count = 2,
                                      .labels = labels,
                                      .width = 16,
                                      .layers = 1,
                                      .heads = 2,
                                      .ffn = 32,
                                      .activation = ACTIVATION_GELU,
                                      .norm_epsilon = 1e-5f,
                                      .vocab_size = 10,
                                      .type_vocab_size = 2,
                                      .max_positions = 8};
    const int32_t ids[] = {1, 2, 3, 1, 4, 0, 1, 5, 6, 1, 7, 0}, expected[] = {0, 1, 0, 1};
    const int64_t lengths[] = {3, 2, 3, 2};
    const classifier_input input = {.batch = 4, .ids = ids, .length = 3, .lengths = lengths};
    classifier *m;
    tape *t;
    double losses[2] = {0};
    assert_int_equal(classifier_create(&m, &config, true, 1), ATTN_OK);
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 1), ATTN_OK);
    for (int step = 0; step < 30; step++) {
        tape_begin(t, 1);
        parameters_begin_gradients(&m->parameters);
        tensor *loss = tape_cross_entropy(t, classifier_logits(t, m, &input, NULL), expected, 0, NULL, NULL);
        losses[step > 0] = (double)loss->value[0];
        assert_int_equal(tape_backward(t, loss), ATTN_OK);
        parameters_end_gradients(&m->parameters);
        for (int64_t i = 0; i < m->parameters.total; i++) m->parameters.values[i] -= 0.1f * m->parameters.grads[i];
    }
    assert_true(losses[1] < 0.1 * losses[0]);
    tape_destroy(t);
    classifier_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_what_transformers_saved),  cmocka_unit_test(labels_are_the_files_own),
        cmocka_unit_test(fp32_weights_are_not_copied),   cmocka_unit_test(returns_what_it_saved),
        cmocka_unit_test(int8_is_not_for_exchange),      cmocka_unit_test(names_what_does_not_fit),
        cmocka_unit_test(fails_the_tape_on_wrong_input), cmocka_unit_test(learns),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
