/* Recurrent models of every cell and every attention: cached steps against a whole pass, gradients, directories. */
#define _GNU_SOURCE /* memmem */
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
#include "model/seq2seq.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VOCABULARY = 23, BATCH = 3, SOURCE = 5, TARGET = 4 };

static const int64_t lengths[BATCH] = {5, 2, 4};

static recurrent_config sizes(recurrent_cell cell, recurrent_attention attention, bool feeding)
{
    return (recurrent_config){.cell = cell,
                              .attention = attention,
                              .input_feeding = feeding,
                              .bidirectional = attention != RECURRENT_DOT,
                              .vocab_size = VOCABULARY,
                              .embedding_size = 10,
                              .hidden_size = 18,
                              .encoder_layers = attention == RECURRENT_CONCAT ? 1 : 2,
                              .decoder_layers = 2,
                              .max_length = 40,
                              .pad_id = VOCABULARY - 1,
                              .decoder_start_id = VOCABULARY - 1};
}

static recurrent_translator *create(recurrent_config c)
{
    recurrent_translator *m;
    if (recurrent_translator_create(&m, &c, true, 3) != ATTN_OK) fail_msg("%s", status_message());
    for (int64_t i = 0; i < m->parameters.total; i++)
        m->parameters.values[i] += 0.2f * (random_unit(random_philox(1, (uint64_t)i, 0).word[0]) - 0.5f);
    return m;
}

static void draw_ids(int32_t *ids, int count, uint64_t key)
{
    for (int i = 0; i < count; i++) ids[i] = (int32_t)(random_philox(key, (uint64_t)i, 0).word[0] % (VOCABULARY - 1));
}

/* Calls the test for every kind of model. */
static void for_all(void (*test)(recurrent_config c))
{
    for (recurrent_cell cell = RECURRENT_RNN; cell <= RECURRENT_GRU; cell++)
        for (recurrent_attention a = RECURRENT_UNATTENDED; a <= RECURRENT_CONCAT; a++) {
            test(sizes(cell, a, false));
            if (a >= RECURRENT_DOT) test(sizes(cell, a, true));
        }
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

/* The hypotheses of the search: at every step rows change places, two of a sequence, and at last one sequence is done.
 * prefix[r] is what row r has been given. */
typedef struct rows_at_step {
    int64_t rows, from[6], sequence_of[6];
} rows_at_step;

static const rows_at_step plan[TARGET] = {
    {3, {0, 1, 2}, {0, 1, 2}},
    {6, {0, 0, 1, 1, 2, 2}, {0, 0, 1, 1, 2, 2}},
    {6, {1, 0, 2, 2, 5, 4}, {0, 0, 1, 1, 2, 2}},
    {4, {1, 0, 4, 4}, {0, 0, 2, 2}},
};

static void whole_pass(const seq2seq *m, const int32_t *source, const int32_t *target, int64_t sequence, int64_t T,
                       float *last)
{
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
    const source_batch from = {source + sequence * SOURCE, 1, lengths[sequence], lengths + sequence};
    const target_batch to = {.ids = target, .length = T};
    tensor *y = m->family->logits(t, m->network, &from, &to, NULL);
    if (tape_status(t) != ATTN_OK) fail_msg("%s", status_message());
    memcpy(last, y->value + (T - 1) * VOCABULARY, VOCABULARY * sizeof *last);
    tape_destroy(t);
}

static void compare_step(const seq2seq *m, const rows_at_step *p, const int32_t *source, int32_t (*prefix)[TARGET],
                         int64_t step, const float *logits)
{
    for (int64_t r = 0; r < p->rows; r++) {
        float want[VOCABULARY];
        whole_pass(m, source, prefix[r], p->sequence_of[r], step + 1, want);
        for (int v = 0; v < VOCABULARY; v++)
            if (!(fabsf(want[v] - logits[r * VOCABULARY + v]) <= 2e-5f))
                fail_msg("step %d row %d piece %d: %g, expected %g", (int)step, (int)r, v,
                         (double)logits[r * VOCABULARY + v], (double)want[v]);
    }
}

static void steps_give_the_same(recurrent_config c)
{
    seq2seq m = seq2seq_of_recurrent(create(c));
    tape *t, *each;
    int32_t source[BATCH * SOURCE], prefix[6][TARGET], next[6][TARGET];
    void *decoding;
    draw_ids(source, BATCH * SOURCE, 5);
    assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
    assert_int_equal(tape_create(&each, TAPE_INFER, 1), ATTN_OK);
    const source_batch from = {source, BATCH, SOURCE, lengths};
    assert_int_equal(m.family->begin(&decoding, t, m.network, &from, 2, TARGET), ATTN_OK);
    for (int64_t s = 0; s < TARGET; s++) {
        int32_t ids[6];
        draw_ids(ids, 6, 100 + (uint64_t)s);
        for (int64_t r = 0; r < plan[s].rows; r++) {
            if (s) memcpy(next[r], prefix[plan[s].from[r]], sizeof next[r]);
            next[r][s] = ids[r];
        }
        memcpy(prefix, next, sizeof prefix);
        tape_begin(each, 0);
        tensor *y = m.family->step(each, m.network, decoding, ids, plan[s].from, plan[s].sequence_of, plan[s].rows, s);
        y = m.family->project(each, m.network, y);
        if (tape_status(each) != ATTN_OK) fail_msg("%s", status_message());
        compare_step(&m, &plan[s], source, prefix, s, y->value);
    }
    tape_destroy(t);
    tape_destroy(each);
    seq2seq_destroy(&m);
}

static void cached_steps(void **state)
{
    (void)state;
    for_all(steps_give_the_same);
}

/* ---- gradients -------------------------------------------------------------------------------------------------- */

static double loss_of(const seq2seq *m, tape *t, const int32_t *source, const int32_t *target, tensor **loss)
{
    static const int64_t rows[] = {0, 1, 2, 3, 4, 5, 8, 9, 10};
    static const int32_t expected[] = {4, 2, 0, 7, 9, 0, 1, 20, 0};
    const source_batch from = {source, BATCH, SOURCE, lengths};
    const target_batch to = {target, TARGET, rows, 9};
    double nll;
    int64_t counted;
    tape_begin(t, 1);
    tensor *y = m->family->logits(t, m->network, &from, &to, NULL);
    *loss = tape_cross_entropy(t, y, expected, 0, &nll, &counted);
    if (tape_status(t) != ATTN_OK) fail_msg("%s", status_message());
    return nll / (double)counted;
}

/* Along a random direction of all parameters at once. */
static void gradient_is_the_slope(recurrent_config c)
{
    seq2seq m = seq2seq_of_recurrent(create(c));
    parameters *p = m.parameters;
    int32_t source[BATCH * SOURCE], target[BATCH * TARGET];
    draw_ids(source, BATCH * SOURCE, 5);
    draw_ids(target, BATCH * TARGET, 6);
    tape *t;
    tensor *loss;
    assert_int_equal(tape_create(&t, TAPE_TRAIN, 2), ATTN_OK);
    parameters_begin_gradients(p);
    loss_of(&m, t, source, target, &loss);
    assert_int_equal(tape_backward(t, loss), ATTN_OK);
    parameters_end_gradients(p);
    for (uint64_t direction = 0; direction < 4; direction++) {
        double slope = 0, values[2];
        for (int side = 0; side < 2; side++) {
            for (int64_t i = 0; i < p->total; i++) {
                const float move = random_unit(random_philox(direction, (uint64_t)i, 9).word[0]) - 0.5f;
                p->values[i] += (side ? -2.0f : 1.0f) * 2e-3f * move;
                if (!side) slope += (double)move * p->grads[i];
            }
            values[side] = loss_of(&m, t, source, target, &loss);
        }
        for (int64_t i = 0; i < p->total; i++)
            p->values[i] += 2e-3f * (random_unit(random_philox(direction, (uint64_t)i, 9).word[0]) - 0.5f);
        const double want = (values[0] - values[1]) / 4e-3;
        if (!(fabs(slope - want) <= 2e-3 * fmax(1, fabs(want)))) fail_msg("slope %g, expected %g", slope, want);
    }
    tape_destroy(t);
    seq2seq_destroy(&m);
}

static void gradients(void **state)
{
    (void)state;
    for_all(gradient_is_the_slope);
}

/* ---- weights of attention --------------------------------------------------------------------------------------- */

static void weights_sum_to_one(recurrent_config c)
{
    if (c.attention == RECURRENT_UNATTENDED) return;
    seq2seq m = seq2seq_of_recurrent(create(c));
    int32_t source[BATCH * SOURCE], target[BATCH * TARGET];
    float weights[BATCH * TARGET * SOURCE], *arrays[] = {weights};
    draw_ids(source, BATCH * SOURCE, 5);
    draw_ids(target, BATCH * TARGET, 6);
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
    const source_batch from = {source, BATCH, SOURCE, lengths};
    const target_batch to = {.ids = target, .length = TARGET};
    const seq2seq_sink sink = {.cross = arrays};
    m.family->logits(t, m.network, &from, &to, &sink);
    assert_int_equal(tape_status(t), ATTN_OK);
    for (int row = 0; row < BATCH * TARGET; row++) {
        float sum = 0;
        for (int s = 0; s < SOURCE; s++) {
            sum += weights[row * SOURCE + s];
            if (s >= lengths[row / TARGET]) assert_true(weights[row * SOURCE + s] == 0);
        }
        assert_true(fabsf(sum - 1) < 1e-5f);
    }
    tape_destroy(t);
    seq2seq_destroy(&m);
}

static void weights(void **state)
{
    (void)state;
    for_all(weights_sum_to_one);
}

/* ---- directories ------------------------------------------------------------------------------------------------ */

static void comes_back(recurrent_config c)
{
    c.dropout = 0.25f;
    recurrent_translator *m = create(c), *again;
    assert_int_equal(recurrent_translator_save(m, scratch_directory, WEIGHTS_FP32), ATTN_OK);
    if (recurrent_translator_open(&again, scratch_directory, false) != ATTN_OK) fail_msg("%s", status_message());
    assert_memory_equal(&again->config, &c, sizeof c);
    expect_same_parameters(&m->parameters, &again->parameters);
    recurrent_translator_destroy(m);
    recurrent_translator_destroy(again);
}

static void saved_and_opened(void **state)
{
    (void)state;
    for_all(comes_back);
}

/* Matrices come back near, vectors exactly, in about a quarter of fp32's bytes. */
static void saved_in_int8(void **state)
{
    (void)state;
    recurrent_translator *m = create(sizes(RECURRENT_LSTM, RECURRENT_GENERAL, true)), *again;
    assert_int_equal(recurrent_translator_save(m, scratch_directory, WEIGHTS_INT8), ATTN_OK);
    if (recurrent_translator_open(&again, scratch_directory, false) != ATTN_OK) fail_msg("%s", status_message());
    assert_int_equal(again->unused.count, 0);
    expect_parameters_of_int8(&m->parameters, &again->parameters);
    recurrent_translator_destroy(m);
    recurrent_translator_destroy(again);
}

/* The matrix's bytes without their scales, which stand there under another name. */
static void int8_without_scales(void **state)
{
    (void)state;
    char path[128];
    recurrent_translator *m = create(sizes(RECURRENT_LSTM, RECURRENT_GENERAL, true)), *opened;
    assert_int_equal(recurrent_translator_save(m, scratch_directory, WEIGHTS_INT8), ATTN_OK);
    recurrent_translator_destroy(m);
    snprintf(path, sizeof path, "%s/model.safetensors", scratch_directory);
    FILE *f = fopen(path, "r+");
    char header[8192];
    const size_t size = fread(header, 1, sizeof header, f);
    char *at = memmem(header, size, "combine.weight.scale", 20);
    assert_non_null(at);
    fseek(f, at + 19 - header, SEEK_SET);
    fputc('f', f);
    fclose(f);
    assert_int_equal(recurrent_translator_open(&opened, scratch_directory, false), ATTN_ERROR_FORMAT);
    assert_null(opened);
    if (!strstr(status_message(), "model.safetensors: combine.weight.scale is missing"))
        fail_msg("%s", status_message());
}

/* The saved config.json with one text replaced. */
static void hostile(const char *find, const char *replacement, const char *message)
{
    recurrent_config c = sizes(RECURRENT_LSTM, RECURRENT_GENERAL, false);
    recurrent_translator *m = create(c), *opened;
    assert_int_equal(recurrent_translator_save(m, scratch_directory, WEIGHTS_BF16), ATTN_OK);
    recurrent_translator_destroy(m);
    edit_config(scratch_directory, scratch_directory, find, replacement);
    assert_true(recurrent_translator_open(&opened, scratch_directory, false) != ATTN_OK);
    assert_null(opened);
    if (!strstr(status_message(), message)) fail_msg("\"%s\", expected \"%s\"", status_message(), message);
}

static void hostile_configurations(void **state)
{
    (void)state;
    hostile("\"lstm\"", "\"lstn\"", "cell_type is \"lstn\"");
    hostile("\"general\"", "\"generous\"", "attention_type is \"generous\"");
    hostile("\"general\",\n  \"input_feeding\": false", "\"additive\",\n  \"input_feeding\": true", "input_feeding");
    hostile("\"hidden_size\": 18", "\"hidden_size\": 19", "hidden_size is 19, expected an even number");
    hostile("\"hidden_size\": 18", "\"hidden_size\": 20", "encoder.weight_ih_l0 has shape (36, 10), expected (40, 10)");
    hostile("\"hidden_size\": 18", "\"hidden_size\": 9000000000", "hidden_size is 9000000000");
    hostile("\"decoder_layers\": 2", "\"decoder_layers\": 3", "decoder.weight_ih_l2 is missing");
    hostile("\"vocab_size\": 23", "\"vocab_size\": 0", "vocab_size is 0");
    hostile("\"pad_token_id\": 22", "\"pad_token_id\": 23", "pad_token_id is 23, expected 0 to 22");
    hostile("\"attn-rnn\"", "\"marian\"", "model_type is \"marian\"");
    hostile("\"max_length\": 40,", "", "max_length");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cached_steps),
        cmocka_unit_test(gradients),
        cmocka_unit_test(weights),
        cmocka_unit_test(saved_and_opened),
        cmocka_unit_test(saved_in_int8),
        cmocka_unit_test(int8_without_scales),
        cmocka_unit_test(hostile_configurations),
    };
    return cmocka_run_group_tests(tests, scratch_create, scratch_remove);
}
