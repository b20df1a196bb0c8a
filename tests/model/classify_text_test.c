#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"
#include "base/status.h"
#include "input/tokenizer.h"
#include "model/classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECTORY "model_classify_text.tmp"
#define POSITIONS 12

static attn_seq_model *model;

/* A small BERT with its own pieces; the weights are larger than training begins with, so that words matter. */
static int make_model(void **state)
{
    (void)state;
    static const char *const lines[] = {"a warm funny engaging film", "a dull mess of a film", "warm and funny",
                                        "what a mess it is", "the film is long and dull"};
    static char *labels[] = {"negative", "positive"};
    const classifier_config config = {.family = CLASSIFIER_BERT,
                                      .label_count = 2,
                                      .labels = labels,
                                      .width = 16,
                                      .layers = 2,
                                      .heads = 2,
                                      .ffn = 32,
                                      .activation = ACTIVATION_GELU,
                                      .norm_epsilon = 1e-12f,
                                      .vocab_size = 60,
                                      .type_vocab_size = 1,
                                      .max_positions = POSITIONS};
    classifier *m = NULL;
    mkdir(DIRECTORY, 0777);
    if (tokenizer_train_style(TOKENIZER_BERT, lines, 5, 40, 1, DIRECTORY) != ATTN_OK ||
        classifier_create(&m, &config, true, 1) != ATTN_OK)
        fail_msg("%s", status_message());
    for (int64_t i = 0; i < m->parameters.count; i++) {
        tensor *w = &m->parameters.items[i].tensor;
        for (int64_t j = 0; w->rank == 2 && j < tensor_count(w); j++) w->value[j] *= 4;
    }
    assert_int_equal(classifier_save(m, DIRECTORY, WEIGHTS_FP32), ATTN_OK);
    classifier_destroy(m);
    if (attn_seq_model_open(&model, DIRECTORY) != ATTN_OK) fail_msg("%s", attn_seq_error());
    return 0;
}

static int remove_model(void **state)
{
    (void)state;
    attn_seq_model_close(model);
    return system("rm -r " DIRECTORY);
}

static attn_seq_input text_of(const char *text)
{
    return (attn_seq_input){.kind = ATTN_SEQ_INPUT_TEXT, .text = {text, strlen(text)}};
}

static attn_seq_classification *classify(const attn_seq_input *inputs, int64_t count, bool attention)
{
    attn_seq_classify_options o;
    attn_seq_classify_options_init(&o);
    o.attention = attention;
    attn_seq_classification *c;
    if (attn_seq_classify(model, &o, inputs, count, &c) != ATTN_OK) fail_msg("%s", attn_seq_error());
    return c;
}

static void describes_itself(void **state)
{
    (void)state;
    attn_seq_description d = {.struct_size = sizeof d};
    assert_int_equal(attn_seq_model_describe(model, &d), ATTN_OK);
    assert_int_equal(d.task, ATTN_SEQ_TASK_CLASSIFY_TEXT);
    assert_string_equal(d.architecture, "BertForSequenceClassification");
    assert_int_equal(d.label_count, 2);
    assert_string_equal(d.labels[1], "positive");
    assert_int_equal(d.max_positions, POSITIONS);
    assert_int_equal(d.decoder_layers, 0);
}

static void refuses_a_text_that_is_none(void **state)
{
    (void)state;
    const attn_seq_input input = {.kind = ATTN_SEQ_INPUT_TEXT, .text = {NULL, 5}};
    attn_seq_classification *c = classify(&input, 1, false);
    assert_int_equal(c->status, ATTN_ERROR_FORMAT);
    assert_non_null(strstr(c->message, "5 bytes at NULL"));
    attn_seq_classifications_free(c, 1);
}

/* Lines of every length together give what each gives alone. */
static void neighbours_do_not_matter(void **state)
{
    (void)state;
    static const char *const texts[] = {"warm",          "a dull mess", "funny film",
                                        "what it is is", "engaging",    "a warm and engaging film of a mess"};
    enum { N = 300 };
    attn_seq_input inputs[N];
    for (int i = 0; i < N; i++) inputs[i] = text_of(texts[i % 6]);
    attn_seq_classification *together = classify(inputs, N, false);
    float first = 0;
    for (int i = 0; i < 6; i++) {
        attn_seq_classification *alone = classify(&inputs[i], 1, false);
        assert_float_equal(alone->probabilities[0] + alone->probabilities[1], 1, 1e-6);
        if (i == 0) first = alone->probabilities[0];
        if (i == 1) assert_true(fabsf(alone->probabilities[0] - first) > 1e-3f);
        for (int j = i; j < N; j += 6) {
            assert_int_equal(together[j].label, alone->label);
            assert_float_equal(together[j].probabilities[0], alone->probabilities[0], 1e-5);
        }
        attn_seq_classifications_free(alone, 1);
    }
    attn_seq_classifications_free(together, N);
}

static void tells_what_it_could_not_read(void **state)
{
    (void)state;
    const attn_seq_input inputs[] = {
        text_of("warm"), text_of(" \t "), text_of(""), text_of("\xFF\xFE"),
        text_of("a warm funny engaging film a dull mess of a film what a mess it is the film is long and dull")};
    attn_seq_classification *c = classify(inputs, 5, true);
    assert_true(c[0].label >= 0 && c[0].status == ATTN_OK && !c[0].cut);
    assert_string_equal(c[0].message, "");
    for (int i = 1; i < 4; i++) {
        assert_int_equal(c[i].label, -1);
        assert_null(c[i].probabilities);
        assert_null(c[i].attention);
        assert_int_equal(c[i].status, i == 3 ? ATTN_ERROR_FORMAT : ATTN_OK);
    }
    assert_true(*c[3].message);
    assert_true(c[4].label >= 0 && c[4].cut);
    assert_int_equal(c[4].attention->rows, POSITIONS);
    assert_string_equal(c[4].attention->row_labels[0], "[CLS]");
    assert_string_equal(c[4].attention->column_labels[POSITIONS - 1], "[SEP]");
    assert_null(c[4].attention->patches);
    attn_seq_classifications_free(c, 5);
}

/* One query pools the text. */
static void shows_what_was_pooled(void **state)
{
    (void)state;
    static char *labels[] = {"negative", "positive"};
    const classifier_config config = {.family = CLASSIFIER_RECURRENT,
                                      .label_count = 2,
                                      .labels = labels,
                                      .width = 16,
                                      .layers = 1,
                                      .heads = 1,
                                      .cell = RECURRENT_LSTM,
                                      .embedding = 8,
                                      .vocab_size = 60,
                                      .max_positions = POSITIONS};
    classifier *m = NULL;
    if (classifier_create(&m, &config, true, 1) != ATTN_OK) fail_msg("%s", status_message());
    assert_int_equal(classifier_save(m, DIRECTORY, WEIGHTS_FP32), ATTN_OK);
    classifier_destroy(m);
    attn_seq_model_close(model);
    if (attn_seq_model_open(&model, DIRECTORY) != ATTN_OK) fail_msg("%s", attn_seq_error());
    attn_seq_input input = text_of("a warm funny film");
    attn_seq_classification *c = classify(&input, 1, true);
    const attn_seq_attention *a = c->attention;
    assert_int_equal(a->kind, ATTN_SEQ_ATTENTION_POOLING);
    assert_int_equal(a->layers * a->heads * a->rows, 1);
    assert_string_equal(a->row_labels[0], "label");
    float sum = 0;
    for (int64_t j = 0; j < a->columns; j++) sum += a->weights[j];
    assert_float_equal(sum, 1, 1e-5);
    attn_seq_classifications_free(c, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_itself),         cmocka_unit_test(refuses_a_text_that_is_none),
        cmocka_unit_test(neighbours_do_not_matter), cmocka_unit_test(tells_what_it_could_not_read),
        cmocka_unit_test(shows_what_was_pooled),
    };
    return cmocka_run_group_tests(tests, make_model, remove_model);
}
