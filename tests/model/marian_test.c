/* The fixtures' directories, run here, against what transformers computed (tests/fixtures/make_marian.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "formats/safetensors.h"
#include "model/translator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLERANCE 1e-4f

static const char *const fixtures[] = {"shared",     "separate",  "untied", "shared_untied", "stored_positions",
                                       "every_name", "odd_width", "bf16",   "fp16"};
#define FIXTURES (sizeof fixtures / sizeof *fixtures)

/* expected.safetensors */
typedef struct expectation {
    int64_t B, S, T, d, V;
    int32_t *source_ids, *target_ids;
    int64_t *lengths;
    float *encoder, *logits;
} expectation;

static float *read_floats(const safetensors *s, const char *name, const int64_t **shape, int64_t *count)
{
    const safetensors_tensor *t = safetensors_find(s, name);
    assert_non_null(t);
    float *values = malloc((size_t)t->count * sizeof *values);
    assert_int_equal(safetensors_read_floats(s, t, values), ATTN_OK);
    *shape = t->shape;
    *count = t->count;
    return values;
}

static int32_t *read_ids(const safetensors *s, const char *name, const int64_t **shape)
{
    int64_t count;
    float *values = read_floats(s, name, shape, &count);
    int32_t *ids = malloc((size_t)count * sizeof *ids);
    for (int64_t i = 0; i < count; i++) ids[i] = (int32_t)values[i];
    free(values);
    return ids;
}

static expectation read_expectation(const char *directory)
{
    char path[600];
    snprintf(path, sizeof path, "%s/expected.safetensors", directory);
    safetensors *s;
    if (safetensors_open(&s, path) != ATTN_OK) fail_msg("%s", status_message());
    expectation e;
    const int64_t *shape;
    int64_t count;
    e.source_ids = read_ids(s, "source_ids", &shape);
    e.B = shape[0];
    e.S = shape[1];
    e.target_ids = read_ids(s, "target_ids", &shape);
    e.T = shape[1];
    int32_t *lengths = read_ids(s, "source_lengths", &shape);
    e.lengths = malloc((size_t)e.B * sizeof *e.lengths);
    for (int64_t b = 0; b < e.B; b++) e.lengths[b] = lengths[b];
    free(lengths);
    e.encoder = read_floats(s, "encoder", &shape, &count);
    e.d = shape[2];
    e.logits = read_floats(s, "logits", &shape, &count);
    e.V = shape[2];
    safetensors_close(s);
    return e;
}

static void free_expectation(expectation *e)
{
    free(e->source_ids);
    free(e->target_ids);
    free(e->lengths);
    free(e->encoder);
    free(e->logits);
}

static void same_rows(const char *what, const char *fixture, const float *got, const float *expected, int64_t rows,
                      int64_t columns)
{
    for (int64_t i = 0; i < rows * columns; i++) {
        if (fabsf(got[i] - expected[i]) <= TOLERANCE) continue;
        fail_msg("%s: %s (%lld, %lld) is %.7g, expected %.7g", fixture, what, (long long)(i / columns),
                 (long long)(i % columns), (double)got[i], (double)expected[i]);
    }
}

static translator *open_fixture(const char *directory)
{
    translator *m;
    if (translator_open(&m, directory, false) != ATTN_OK) fail_msg("%s", status_message());
    return m;
}

static void fixture_path(char *path, size_t size, const char *fixture)
{
    snprintf(path, size, "%s/%s", MARIAN_FIXTURES, fixture);
}

/* Encoder states and logits of a whole batch at once. */
static void check_whole(tape *t, translator *m, const char *fixture, const expectation *e)
{
    tape_begin(t, 1);
    tensor *memory = translator_encode(t, m, e->source_ids, e->B, e->S, e->lengths, NULL);
    tensor *logits = translator_decode(t, m, memory, e->lengths, e->target_ids, e->B, e->T, NULL);
    if (tape_status(t) != ATTN_OK) fail_msg("%s: %s", fixture, status_message());
    assert_int_equal(memory->shape[memory->rank - 1], e->d);
    assert_int_equal(logits->shape[logits->rank - 1], e->V);
    for (int64_t b = 0; b < e->B; b++)
        same_rows("encoder", fixture, memory->value + b * e->S * e->d, e->encoder + b * e->S * e->d, e->lengths[b],
                  e->d);
    same_rows("logits", fixture, logits->value, e->logits, e->B * e->T, e->V);
}

/* The same logits, one cached step after the other. */
static void check_steps(tape *t, translator *m, const char *fixture, const expectation *e)
{
    tape_begin(t, 1);
    transformer_cache *cache;
    tensor *memory = translator_encode(t, m, e->source_ids, e->B, e->S, e->lengths, NULL);
    assert_int_equal(transformer_cache_create(&cache, t, &m->decoder_options, m->decoder, m->config.decoder_layers,
                                              memory, e->B, e->lengths, 1, e->T),
                     ATTN_OK);
    for (int64_t p = 0; p < e->T; p++) {
        int32_t ids[8];
        assert_true(e->B <= 8);
        for (int64_t b = 0; b < e->B; b++) ids[b] = e->target_ids[b * e->T + p];
        tape_begin(t, 1);
        tensor *logits = translator_step(t, m, cache, ids, e->B, p, NULL);
        if (tape_status(t) != ATTN_OK) fail_msg("%s: %s", fixture, status_message());
        for (int64_t b = 0; b < e->B; b++)
            same_rows("step's logits", fixture, logits->value + b * e->V, e->logits + (b * e->T + p) * e->V, 1, e->V);
    }
    transformer_cache_destroy(cache);
}

static void runs_what_transformers_saved(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        char path[512];
        fixture_path(path, sizeof path, fixtures[i]);
        expectation e = read_expectation(path);
        translator *m = open_fixture(path);
        tape *t;
        assert_int_equal(tape_create(&t, TAPE_INFER, 2), ATTN_OK);
        check_whole(t, m, fixtures[i], &e);
        check_steps(t, m, fixtures[i], &e);
        tape_destroy(t);
        translator_destroy(m);
        free_expectation(&e);
    }
}

static char scratch[64];

static int make_scratch(void **state)
{
    (void)state;
    strcpy(scratch, "marian_test_XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_scratch(void **state)
{
    (void)state;
    static const char *const files[] = {"config.json", "generation_config.json", "model.safetensors"};
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", scratch, files[i]);
        unlink(path);
    }
    return rmdir(scratch);
}

static void same_parameters(const translator *a, const translator *b)
{
    assert_int_equal(a->parameters.count, b->parameters.count);
    for (int64_t i = 0; i < a->parameters.count; i++) {
        const parameter *x = &a->parameters.items[i], *y = &b->parameters.items[i];
        assert_string_equal(x->name, y->name);
        assert_memory_equal(x->tensor.value, y->tensor.value, (size_t)tensor_count(&x->tensor) * sizeof(float));
    }
}

static void returns_what_it_saved(void **state)
{
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        char path[512];
        fixture_path(path, sizeof path, fixtures[i]);
        translator *m = open_fixture(path);
        weight_format format = strcmp(fixtures[i], "bf16") == 0 ? WEIGHTS_BF16 : WEIGHTS_FP32;
        if (translator_save(m, scratch, format) != ATTN_OK) fail_msg("%s", status_message());
        translator *again = open_fixture(scratch);
        assert_int_equal(again->config.decoder_vocab_size, m->config.decoder_vocab_size);
        assert_int_equal(again->config.activation, m->config.activation);
        assert_int_equal(again->config.scale_embedding, m->config.scale_embedding);
        assert_int_equal(again->config.decoder_start_id, m->config.decoder_start_id);
        assert_true(again->config.dropout == m->config.dropout);
        same_parameters(m, again);
        size_t positions = (size_t)(m->config.max_position_embeddings * m->config.d_model) * sizeof(float);
        assert_memory_equal(m->encoder_positions, again->encoder_positions, positions);
        assert_memory_equal(m->decoder_positions, again->decoder_positions, positions);
        translator_destroy(again);
        translator_destroy(m);
    }
}

/* The fixture `shared` with one edit of its config.json: `old` becomes `new` (of any length). */
static void edit_config(const char *old, const char *new)
{
    char path[600], text[4096];
    snprintf(path, sizeof path, "%s/shared/config.json", MARIAN_FIXTURES);
    FILE *f = fopen(path, "rb");
    size_t size = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[size] = '\0';
    char *at = strstr(text, old);
    assert_non_null(at);
    snprintf(path, sizeof path, "%s/config.json", scratch);
    f = fopen(path, "wb");
    fprintf(f, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    fclose(f);
    char weights[600];
    snprintf(weights, sizeof weights, "%s/shared/model.safetensors", MARIAN_FIXTURES);
    snprintf(path, sizeof path, "%s/model.safetensors", scratch);
    unlink(path);
    assert_int_equal(symlink(weights, path), 0);
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
        {"\"marian\"", "\"bart\"", ATTN_ERROR_UNSUPPORTED,
         "config.json: model_type is \"bart\", expected one of marian"},
        {"\"pad_token_id\": 68", "\"pad_token_id\": 69", ATTN_ERROR_FORMAT, "pad_token_id is 69, expected 0 to 68"},
        {"\"max_position_embeddings\": 32", "\"max_position_embeddings\": 1e99", ATTN_ERROR_FORMAT,
         "max_position_embeddings is 1e99"},
        {"\"share_encoder_decoder_embeddings\": true", "\"share_encoder_decoder_embeddings\": false", ATTN_ERROR_FORMAT,
         "model.safetensors: model.decoder.embed_tokens.weight is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        edit_config(cases[i].old, cases[i].new);
        translator *m;
        assert_int_equal(translator_open(&m, scratch, false), cases[i].status);
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
    fixture_path(path, sizeof path, "shared");
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
    same_parameters(a, b);
    assert_true(a->encoder[0].fc1_weight->value[3] != other->encoder[0].fc1_weight->value[3]);
    assert_true(a->encoder[0].self.q_weight->value[3] != a->encoder[0].self.k_weight->value[3]);
    assert_true(a->decoder_embedding == a->encoder_embedding && a->output_weight == a->encoder_embedding);

    double squares = 0;
    for (int64_t i = 0; i < 500 * 64; i++)
        squares += (double)a->encoder_embedding->value[i] * a->encoder_embedding->value[i];
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
        cmocka_unit_test_setup_teardown(returns_what_it_saved, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(names_what_does_not_fit, make_scratch, remove_scratch),
        cmocka_unit_test(refuses_what_is_longer_than_its_positions),
        cmocka_unit_test(starts_from_its_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
