/* The recurrent classifier: padding, gradients, attention's weights, directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../scratch.h"
#include "compared_parameters.h"
#include "edited_fixture.h"

#include "base/random.h"
#include "base/status.h"
#include "model/classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VOCABULARY = 19, BATCH = 3, LENGTH = 6, LABELS = 3 };

static const int64_t lengths[BATCH] = {6, 1, 4};
static int32_t ids[BATCH * LENGTH];

static classifier *create(recurrent_cell cell)
{
    static char *labels[LABELS] = {"bad", "so so", "good"};
    const classifier_config c = {.family = CLASSIFIER_RECURRENT,
                                 .label_count = LABELS,
                                 .labels = labels,
                                 .width = 18,
                                 .layers = 2,
                                 .heads = 1,
                                 .cell = cell,
                                 .embedding = 7,
                                 .vocab_size = VOCABULARY,
                                 .max_positions = 32};
    classifier *m;
    if (classifier_create(&m, &c, true, 3) != ATTN_OK) fail_msg("%s", status_message());
    for (int64_t i = 0; i < m->parameters.total; i++)
        m->parameters.values[i] += 0.5f * (random_unit(random_philox(1, (uint64_t)i, 0).word[0]) - 0.5f);
    for (int i = 0; i < BATCH * LENGTH; i++) ids[i] = (int32_t)(random_philox(5, (uint64_t)i, 0).word[0] % VOCABULARY);
    return m;
}

static const classifier_input whole = {.batch = BATCH, .ids = ids, .length = LENGTH, .lengths = lengths};

static void a_text_alone_gives_the_same(void **state)
{
    (void)state;
    for (recurrent_cell cell = RECURRENT_RNN; cell <= RECURRENT_GRU; cell++) {
        classifier *m = create(cell);
        tape *t;
        float weights[BATCH * LENGTH], *arrays[] = {weights}, together[BATCH * LABELS];
        const attention_weights_sink sink = {.self = arrays};
        assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
        memcpy(together, classifier_logits(t, m, &whole, &sink)->value, sizeof together);
        if (tape_status(t) != ATTN_OK) fail_msg("%s", status_message());
        for (int b = 0; b < BATCH; b++) {
            float sum = 0;
            for (int s = 0; s < LENGTH; s++) sum += weights[b * LENGTH + s];
            assert_true(fabsf(sum - 1) < 1e-5f);
            for (int64_t s = lengths[b]; s < LENGTH; s++) assert_true(weights[b * LENGTH + s] == 0);
            const classifier_input alone = {.batch = 1, .ids = ids + b * LENGTH, .length = lengths[b]};
            tape_begin(t, 0);
            const tensor *y = classifier_logits(t, m, &alone, NULL);
            for (int i = 0; i < LABELS; i++) assert_true(fabsf(y->value[i] - together[b * LABELS + i]) < 1e-5f);
        }
        tape_destroy(t);
        classifier_destroy(m);
    }
}

static double loss_of(const classifier *m, tape *t, tensor **loss)
{
    static const int32_t expected[BATCH] = {2, 0, 1};
    double nll;
    tape_begin(t, 1);
    *loss = tape_cross_entropy(t, classifier_logits(t, m, &whole, NULL), expected, 0, &nll, NULL);
    if (tape_status(t) != ATTN_OK) fail_msg("%s", status_message());
    return nll / BATCH;
}

/* Along random directions of all parameters at once. */
static void gradient_is_the_slope(void **state)
{
    (void)state;
    classifier *m = create(RECURRENT_LSTM);
    parameters *p = &m->parameters;
    tape *t;
    tensor *loss;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 1), ATTN_OK);
    parameters_begin_gradients(p);
    loss_of(m, t, &loss);
    assert_int_equal(tape_backward(t, loss), ATTN_OK);
    parameters_end_gradients(p);
    for (uint64_t direction = 0; direction < 4; direction++) {
        const float moves[] = {2e-3f, -4e-3f, 2e-3f};
        double slope = 0, values[3];
        for (int side = 0; side < 3; side++) {
            for (int64_t i = 0; i < p->total; i++) {
                const float move = random_unit(random_philox(direction, (uint64_t)i, 9).word[0]) - 0.5f;
                p->values[i] += moves[side] * move;
                if (side == 0) slope += (double)move * p->grads[i];
            }
            values[side] = loss_of(m, t, &loss);
        }
        const double want = (values[0] - values[1]) / 4e-3;
        if (!(fabs(slope - want) <= 2e-3 * fmax(1, fabs(want)))) fail_msg("slope %g, expected %g", slope, want);
    }
    tape_destroy(t);
    classifier_destroy(m);
}

static void saved_and_opened(void **state)
{
    (void)state;
    for (recurrent_cell cell = RECURRENT_RNN; cell <= RECURRENT_GRU; cell++) {
        classifier *m = create(cell), *again;
        assert_int_equal(classifier_save(m, scratch_directory, WEIGHTS_FP32), ATTN_OK);
        if (classifier_open(&again, scratch_directory, false) != ATTN_OK) fail_msg("%s", status_message());
        assert_int_equal(again->config.cell, cell);
        assert_string_equal(again->config.labels[1], "so so");
        expect_same_parameters(&m->parameters, &again->parameters);
        classifier_destroy(m);
        classifier_destroy(again);
    }
}

/* Matrices come back near, vectors exactly, in about a quarter of fp32's bytes. */
static void saved_in_int8(void **state)
{
    (void)state;
    classifier *m = create(RECURRENT_GRU), *again;
    assert_int_equal(classifier_save(m, scratch_directory, WEIGHTS_INT8), ATTN_OK);
    if (classifier_open(&again, scratch_directory, false) != ATTN_OK) fail_msg("%s", status_message());
    assert_int_equal(again->unused.count, 0);
    expect_parameters_of_int8(&m->parameters, &again->parameters);
    classifier_destroy(m);
    classifier_destroy(again);
}

static void hostile(const char *find, const char *replacement, const char *message)
{
    classifier *m = create(RECURRENT_LSTM), *opened;
    assert_int_equal(classifier_save(m, scratch_directory, WEIGHTS_FP32), ATTN_OK);
    classifier_destroy(m);
    edit_config(scratch_directory, scratch_directory, find, replacement);
    assert_true(classifier_open(&opened, scratch_directory, false) != ATTN_OK);
    assert_null(opened);
    if (!strstr(status_message(), message)) fail_msg("\"%s\", expected \"%s\"", status_message(), message);
}

static void hostile_configurations(void **state)
{
    (void)state;
    hostile("\"lstm\"", "\"lstn\"", "cell_type is \"lstn\"");
    hostile("\"hidden_size\": 18", "\"hidden_size\": 19", "hidden_size is 19, expected an even number");
    hostile("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 9",
            "num_hidden_layers is 9, expected an integer from 1 to 8");
    hostile("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", "encoder.weight_ih_l2 is missing");
    hostile("\"embedding_size\": 7", "\"embedding_size\": 8", "embeddings.weight has shape (19, 7)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_alone_gives_the_same),
        cmocka_unit_test(gradient_is_the_slope),
        cmocka_unit_test(saved_and_opened),
        cmocka_unit_test(saved_in_int8),
        cmocka_unit_test(hostile_configurations),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
