/* The fixtures' directories, run here, against what transformers computed (tests/fixtures/make_marian.py,
 * make_bart.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../scratch.h"
#include "compared_parameters.h"
#include "edited_fixture.h"
#include "expectation.h"

#include "base/status.h"
#include "model/translator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLERANCE 1e-4f

static const char *const fixtures[] = {"marian/shared",
                                       "marian/separate",
                                       "marian/untied",
                                       "marian/shared_untied",
                                       "marian/stored_positions",
                                       "marian/every_name",
                                       "marian/odd_width",
                                       "marian/bf16",
                                       "marian/fp16",
                                       "bart/plain",
                                       "bart/scaled",
                                       "bart/settings",
                                       "bart/every_name",
                                       "bart/bf16"};
#define FIXTURES (sizeof fixtures / sizeof *fixtures)

static translator *open_fixture(const char *directory)
{
    translator *m;
    if (translator_open(&m, directory, false) != ATTN_OK) fail_msg("%s", status_message());
    return m;
}

static void fixture_path(char *path, size_t size, const char *fixture)
{
    snprintf(path, size, "%s/%s", MODEL_FIXTURES, fixture);
}

static void runs_what_transformers_saved(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        char path[512], expected[600];
        fixture_path(path, sizeof path, fixtures[i]);
        snprintf(expected, sizeof expected, "%s/expected.safetensors", path);
        expectation e;
        float whole = INFINITY, steps = INFINITY;
        translator *m = open_fixture(path);
        attn_status status = expectation_read(&e, expected);
        if (status == ATTN_OK) status = expectation_compare_whole(&e, m, &whole);
        if (status == ATTN_OK) status = expectation_compare_steps(&e, m, &steps);
        if (status != ATTN_OK) fail_msg("%s: %s", fixtures[i], status_message());
        if (!(whole <= TOLERANCE && steps <= TOLERANCE))
            fail_msg("%s: off by %g at once, by %g step by step", fixtures[i], (double)whole, (double)steps);
        translator_destroy(m);
        expectation_clear(&e);
    }
}

static void returns_what_it_saved(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        char path[512];
        fixture_path(path, sizeof path, fixtures[i]);
        translator *m = open_fixture(path);
        weight_format format = strstr(fixtures[i], "bf16") ? WEIGHTS_BF16 : WEIGHTS_FP32;
        m->generation.limits.stopping = (search_stopping)(i % 3); /* each that there is */
        if (translator_save(m, scratch_directory, format) != ATTN_OK) fail_msg("%s", status_message());
        translator *again = open_fixture(scratch_directory);
        assert_int_equal(again->config.decoder_vocab_size, m->config.decoder_vocab_size);
        assert_int_equal(again->config.activation, m->config.activation);
        assert_int_equal(again->config.scale_embedding, m->config.scale_embedding);
        assert_int_equal(again->config.decoder_start_id, m->config.decoder_start_id);
        assert_true(again->config.dropout == m->config.dropout);
        assert_int_equal(again->generation.limits.stopping, i % 3);
        expect_same_parameters(&m->parameters, &again->parameters);
        size_t positions = (size_t)(m->config.max_position_embeddings * m->config.d_model) * sizeof(float);
        assert_int_equal(m->source.positions != NULL, m->config.kind == TRANSLATOR_MARIAN);
        assert_int_equal(again->config.kind, m->config.kind);
        if (m->source.positions) assert_memory_equal(m->source.positions, again->source.positions, positions);
        if (m->target.positions) assert_memory_equal(m->target.positions, again->target.positions, positions);
        translator_destroy(again);
        translator_destroy(m);
    }
}

/* Which transformers could not open. */
static void int8_is_not_for_exchange(void **state)
{
    (void)state;
    char path[512];
    fixture_path(path, sizeof path, fixtures[0]);
    translator *m = open_fixture(path);
    assert_int_equal(translator_save(m, scratch_directory, WEIGHTS_INT8), ATTN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "weights in int8, which transformers does not read"));
    snprintf(path, sizeof path, "%s/config.json", scratch_directory);
    assert_int_not_equal(access(path, F_OK), 0);
    translator_destroy(m);
}

static void names_what_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new;
        attn_status status;
        const char *words;
    } cases[] = {
        {"\"d_model\": 16", "\"d_model\": 32", ATTN_ERROR_FORMAT,
         "model.safetensors: model.shared.weight has shape (69, 16), expected (69, 32) from config.json"},
        {"\"d_model\": 16", "\"d_model\": 15", ATTN_ERROR_FORMAT,
         "config.json: encoder_attention_heads is 2, expected a divisor of d_model, 15"},
        {"\"d_model\": 16", "\"d_model\": \"16\"", ATTN_ERROR_FORMAT,
         "config.json: d_model is \"16\", expected an integer from 1 to"},
        {"\"d_model\": 16", "\"d\": 16", ATTN_ERROR_FORMAT, "config.json: d_model is missing, expected an integer"},
        {"\"encoder_layers\": 1", "\"encoder_layers\": 2", ATTN_ERROR_FORMAT,
         "model.safetensors: model.encoder.layers.1.self_attn.q_proj.weight is missing"},
        {"\"encoder_layers\": 1", "\"encoder_layers\": 1000000000", ATTN_ERROR_FORMAT, "encoder_layers is 1000000000"},
        {"\"encoder_ffn_dim\": 24", "\"encoder_ffn_dim\": 65536", ATTN_ERROR_FORMAT,
         "model.encoder.layers.0.fc1.weight has shape (24, 16), expected (65536, 16)"},
        {"\"swish\"", "\"gelu_new\"", ATTN_ERROR_UNSUPPORTED,
         "config.json: activation_function is \"gelu_new\", expected one of relu, gelu, swish, silu"},
        {"\"marian\"", "\"t5\"", ATTN_ERROR_UNSUPPORTED,
         "config.json: model_type is \"t5\", expected one of marian, bart"},
        {"\"pad_token_id\": 68", "\"pad_token_id\": 69", ATTN_ERROR_FORMAT, "pad_token_id is 69, expected 0 to 68"},
        {"\"max_position_embeddings\": 32", "\"max_position_embeddings\": 1e99", ATTN_ERROR_FORMAT,
         "max_position_embeddings is 1e99"},
        {"\"share_encoder_decoder_embeddings\": true", "\"share_encoder_decoder_embeddings\": false", ATTN_ERROR_FORMAT,
         "model.safetensors: model.decoder.embed_tokens.weight is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        edit_fixture(MODEL_FIXTURES "/marian/shared", scratch_directory, cases[i].old, cases[i].new);
        translator *m;
        assert_int_equal(translator_open(&m, scratch_directory, false), cases[i].status);
        assert_null(m);
        if (!strstr(status_message(), cases[i].words))
            fail_msg("'%s' does not say '%s'", status_message(), cases[i].words);
    }
    translator *m;
    assert_int_equal(translator_open(&m, "no/such/place", false), ATTN_ERROR_FILE);
    assert_non_null(strstr(status_message(), "no/such/place/config.json: cannot read"));
}

static void refuses_what_is_longer_than_its_positions(void **state)
{
    (void)state;
    char path[512];
    fixture_path(path, sizeof path, "marian/shared");
    translator *m = open_fixture(path);
    const int32_t ids[33] = {0};
    const int64_t length = 33;
    tape *t;
    assert_int_equal(tape_create(&t, TAPE_INFER, 1), ATTN_OK);
    tape_begin(t, 1);
    translator_encode(t, m, ids, 1, 33, &length, NULL);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    assert_string_equal(status_message(), "source of 33 pieces, expected at most max_position_embeddings, 32");
    tape_destroy(t);
    translator_destroy(m);
}

/* Glorot's bound, the embedding's deviation, and the same weights from the same seed alone. */
static void starts_from_its_seed(void **state)
{
    (void)state;
    const translator_config c = {.vocab_size = 500,
                                 .decoder_vocab_size = 500,
                                 .d_model = 64,
                                 .encoder_layers = 1,
                                 .decoder_layers = 1,
                                 .encoder_heads = 4,
                                 .decoder_heads = 4,
                                 .encoder_ffn_dim = 128,
                                 .decoder_ffn_dim = 128,
                                 .max_position_embeddings = 16,
                                 .activation = ACTIVATION_RELU,
                                 .share_encoder_decoder_embeddings = true,
                                 .tie_word_embeddings = true,
                                 .pad_id = 499,
                                 .decoder_start_id = 499};
    translator *a, *b, *other;
    assert_int_equal(translator_create(&a, &c, true, 5), ATTN_OK);
    assert_int_equal(translator_create(&b, &c, true, 5), ATTN_OK);
    assert_int_equal(translator_create(&other, &c, true, 6), ATTN_OK);
    expect_same_parameters(&a->parameters, &b->parameters);
    assert_true(a->encoder[0].fc1_weight->value[3] != other->encoder[0].fc1_weight->value[3]);
    assert_true(a->encoder[0].self.q_weight->value[3] != a->encoder[0].self.k_weight->value[3]);
    assert_true(a->target.table == a->source.table && a->output_weight == a->source.table);

    double squares = 0;
    for (int64_t i = 0; i < 500 * 64; i++) squares += (double)a->source.table->value[i] * a->source.table->value[i];
    assert_true(fabs(squares / 500 - 1) < 0.03);
    float bound = sqrtf(6.0f / (64 + 128)), largest = 0;
    for (int64_t i = 0; i < 64 * 128; i++) largest = fmaxf(largest, fabsf(a->decoder[0].fc2_weight->value[i]));
    assert_true(largest <= bound && largest > 0.99f * bound);
    assert_true(a->decoder[0].cross_norm_gamma->value[63] == 1 && a->decoder[0].cross_norm_beta->value[63] == 0);
    assert_true(a->output_bias->value[7] == 0);
    translator_destroy(a);
    translator_destroy(b);
    translator_destroy(other);

    translator_config untied = c;
    untied.tie_word_embeddings = false;
    assert_int_equal(translator_create(&a, &untied, true, 5), ATTN_ERROR_UNSUPPORTED);
    untied.encoder_heads = 3;
    assert_int_equal(translator_create(&a, &untied, true, 5), ATTN_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_what_transformers_saved),
        cmocka_unit_test_setup_teardown(returns_what_it_saved, scratch_create, scratch_remove),
        cmocka_unit_test(int8_is_not_for_exchange),
        cmocka_unit_test_setup_teardown(names_what_does_not_fit, scratch_create, scratch_remove),
        cmocka_unit_test(refuses_what_is_longer_than_its_positions),
        cmocka_unit_test(starts_from_its_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
