/* From the bytes of a PNG or WAV file to the logits that transformers computes of it (tests/fixtures/make_patches.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "input/image.h"
#include "input/spectrogram.h"
#include "model/classifier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-4f

static void must(attn_status status)
{
    if (status != ATTN_OK) fail_msg("%s", status_message());
}

static const char *path_of(const char *fixture, const char *file)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s/%s", MODEL_FIXTURES, fixture, file);
    return path;
}

static float *prepare_image(const char *fixture, const classifier_config *c)
{
    image_preparation p;
    picture image;
    must(image_preparation_read(&p, path_of(fixture, "preprocessor_config.json"), c->channels));
    assert_int_equal(p.height, c->rows);
    assert_int_equal(p.width, c->columns);
    must(picture_read(&image, path_of(fixture, "input.png")));
    float *values = malloc((size_t)(c->channels * c->rows * c->columns) * sizeof *values);
    must(image_prepare(&p, fixture, &image, values));
    picture_clear(&image);
    return values;
}

static float *prepare_sound(const char *fixture, const classifier_config *c)
{
    spectrogram_preparation p;
    spectrogram *filters;
    sound s;
    must(spectrogram_preparation_read(&p, path_of(fixture, "preprocessor_config.json")));
    assert_int_equal(p.bins, c->rows);
    assert_int_equal(p.frames, c->columns);
    must(wav_read(&s, path_of(fixture, "input.wav")));
    must(spectrogram_create(&filters, &p));
    float *values = malloc((size_t)(c->rows * c->columns) * sizeof *values);
    must(spectrogram_compute(filters, fixture, &s, values));
    spectrogram_destroy(filters);
    sound_clear(&s);
    return values;
}

static void compare_logits(const char *fixture, const float *logits, int64_t count)
{
    safetensors *file;
    must(safetensors_open(&file, path_of(fixture, "expected.safetensors")));
    const safetensors_tensor *expected = safetensors_find(file, "from_file");
    assert_non_null(expected);
    assert_int_equal(expected->count, count);
    float *values = malloc((size_t)count * sizeof *values);
    must(safetensors_read_floats(file, expected, values));
    for (int64_t i = 0; i < count; i++)
        if (!(fabsf(values[i] - logits[i]) <= TOLERANCE))
            fail_msg("%s: logit %d is %g, expected %g", fixture, (int)i, (double)logits[i], (double)values[i]);
    free(values);
    safetensors_close(file);
}

static void takes_files_to_logits(void **state)
{
    (void)state;
    static const char *const fixtures[] = {"vit/grey", "vit/colour",  "vit/oblong",
                                           "vit/bf16", "ast/overlap", "ast/apart"};
    tape *t;
    must(tape_create(&t, TAPE_INFER, 2));
    for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) {
        classifier *m;
        must(classifier_open(&m, path_of(fixtures[i], "."), false));
        const bool audio = m->config.family == CLASSIFIER_AST;
        float *values = audio ? prepare_sound(fixtures[i], &m->config) : prepare_image(fixtures[i], &m->config);
        tape_begin(t, 0);
        tensor *logits = classifier_logits(t, m, &(classifier_input){.batch = 1, .values = values}, NULL);
        must(tape_status(t));
        compare_logits(fixtures[i], logits->value, m->config.label_count);
        free(values);
        classifier_destroy(m);
    }
    tape_destroy(t);
}

static void counts_patches(void **state)
{
    (void)state;
    classifier *m;
    must(classifier_open(&m, path_of("ast/overlap", "."), false));
    patch_grid grid = classifier_patch_grid(&m->config);
    assert_int_equal(grid.rows, 3);    /* (16 - 6) / 4 + 1 */
    assert_int_equal(grid.columns, 4); /* (21 - 6) / 5 + 1 */
    assert_int_equal(grid.classes, 2);
    classifier_destroy(m);
}

/* Every label of eight images is learned: gradients reach all parts. */
static void learn(classifier_config *config)
{
    static char first[] = "no", second[] = "yes";
    static char *labels[] = {first, second};
    static const int32_t expected[] = {0, 1, 0, 1, 0, 1, 0, 1};
    config->labels = labels;
    config->label_count = 2;
    float values[8 * 8 * 12];
    for (int i = 0; i < 8 * 8 * 12; i++) values[i] = (float)((i * 37 + i / 96 * (i % 7)) % 64) / 32 - 1;
    const classifier_input input = {.batch = 8, .values = values};
    classifier *m;
    tape *t;
    must(classifier_create(&m, config, true, 1));
    must(tape_create(&t, TAPE_TRAIN, 2));
    float loss = 0, before = 0;
    for (int step = 0; step < 120; step++) {
        tape_begin(t, 1);
        parameters_begin_gradients(&m->parameters);
        tensor *l = tape_cross_entropy(t, classifier_logits(t, m, &input, NULL), expected, 0, NULL, NULL);
        must(tape_status(t));
        loss = l->value[0];
        if (step == 0) before = loss;
        must(tape_backward(t, l));
        parameters_end_gradients(&m->parameters);
        for (int64_t i = 0; i < m->parameters.count; i++) {
            const tensor *w = &m->parameters.items[i].tensor;
            float size = 0;
            for (int64_t j = 0; j < tensor_count(w); j++) size += fabsf(w->grad[j]);
            if (step == 0 && !(size > 0) && !strstr(m->parameters.items[i].name, "key.bias"))
                fail_msg("%s has no gradient", m->parameters.items[i].name);
        }
        for (int64_t i = 0; i < m->parameters.total; i++) m->parameters.values[i] -= 0.05f * m->parameters.grads[i];
    }
    if (!(loss < 0.1f * before)) fail_msg("the loss went from %g to %g", (double)before, (double)loss);
    tape_destroy(t);
    classifier_destroy(m);
}

static void learns(void **state)
{
    (void)state;
    classifier_config c = {.family = CLASSIFIER_VIT,
                           .width = 16,
                           .layers = 2,
                           .heads = 2,
                           .ffn = 32,
                           .activation = ACTIVATION_GELU,
                           .norm_epsilon = 1e-6f,
                           .channels = 1,
                           .rows = 8,
                           .columns = 12,
                           .patch_rows = 4,
                           .patch_columns = 4,
                           .row_stride = 4,
                           .column_stride = 4,
                           .qkv_bias = true};
    learn(&c);
    c.family = CLASSIFIER_AST;
    c.row_stride = 2;
    c.column_stride = 3;
    learn(&c);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    static char label[] = "one";
    static char *labels[] = {label};
    const classifier_config good = {.family = CLASSIFIER_VIT,
                                    .label_count = 1,
                                    .labels = labels,
                                    .width = 4,
                                    .heads = 1,
                                    .ffn = 4,
                                    .channels = 1,
                                    .rows = 8,
                                    .columns = 8,
                                    .patch_rows = 4,
                                    .patch_columns = 4,
                                    .row_stride = 4,
                                    .column_stride = 4};
    classifier *m;
    classifier_config c = good;
    c.patch_rows = 9;
    assert_int_equal(classifier_create(&m, &c, false, 0), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(status_message(), "a patch's rows is 9, expected 1 to 8"));
    c = good;
    c.row_stride = 3;
    assert_int_equal(classifier_create(&m, &c, false, 0), ATTN_ERROR_ARGUMENT);
    c = good;
    c.column_stride = 0;
    assert_int_equal(classifier_create(&m, &c, false, 0), ATTN_ERROR_ARGUMENT);
    c = good;
    c.rows = c.columns = 1 << 16;
    c.patch_rows = c.patch_columns = c.row_stride = c.column_stride = 1;
    assert_int_equal(classifier_create(&m, &c, false, 0), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(status_message(), "the number of patches"));
    must(classifier_create(&m, &good, false, 0));
    tape *t;
    must(tape_create(&t, TAPE_INFER, 1));
    classifier_logits(t, m, &(classifier_input){.batch = 1}, NULL);
    assert_int_equal(tape_status(t), ATTN_ERROR_ARGUMENT);
    tape_destroy(t);
    classifier_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_files_to_logits),
        cmocka_unit_test(counts_patches),
        cmocka_unit_test(learns),
        cmocka_unit_test(refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
