#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"
#include "base/replace_file.h"
#include "formats/safetensors.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static attn_seq_model *open_fixture(const char *name)
{
    char path[600];
    attn_seq_model *m;
    snprintf(path, sizeof path, MODEL_FIXTURES "/%s", name);
    if (attn_seq_model_open(&m, path) != ATTN_OK) fail_msg("%s", attn_seq_error());
    return m;
}

static attn_seq_input *read_fixture(const char *name)
{
    char path[600];
    attn_seq_input *inputs;
    int64_t count;
    snprintf(path, sizeof path, MODEL_FIXTURES "/%s", name);
    if (attn_seq_inputs_read(path, &inputs, &count) != ATTN_OK) fail_msg("%s", attn_seq_error());
    assert_int_equal(count, 1);
    return inputs;
}

static attn_seq_classification *classify(const attn_seq_model *m, const attn_seq_input *inputs, int64_t count,
                                         bool attention)
{
    attn_seq_classify_options o;
    attn_seq_classify_options_init(&o);
    o.attention = attention;
    attn_seq_classification *c;
    if (attn_seq_classify(m, &o, inputs, count, &c) != ATTN_OK) fail_msg("%s", attn_seq_error());
    return c;
}

/* The probabilities are the softmax of what transformers computed from the same file. */
static void agrees(const char *fixture, const char *file)
{
    char path[600], input_path[200];
    float logits[16];
    safetensors *s;
    snprintf(input_path, sizeof input_path, "%s/%s", fixture, file);
    attn_seq_model *m = open_fixture(fixture);
    attn_seq_input *input = read_fixture(input_path);
    attn_seq_classification *c = classify(m, input, 1, false);
    snprintf(path, sizeof path, MODEL_FIXTURES "/%s/expected.safetensors", fixture);
    assert_int_equal(safetensors_open(&s, path), ATTN_OK);
    const safetensors_tensor *expected = safetensors_find(s, "from_file");
    attn_seq_description d = {.struct_size = sizeof d};
    assert_int_equal(attn_seq_model_describe(m, &d), ATTN_OK);
    assert_int_equal(expected->count, d.label_count);
    assert_int_equal(safetensors_read_floats(s, expected, logits), ATTN_OK);
    double sum = 0;
    int64_t best = 0;
    for (int64_t i = 0; i < d.label_count; i++) {
        sum += exp((double)logits[i]);
        if (logits[i] > logits[best]) best = i;
    }
    assert_int_equal(c->label, best);
    for (int64_t i = 0; i < d.label_count; i++)
        assert_float_equal(c->probabilities[i], exp((double)logits[i]) / sum, 1e-4);
    safetensors_close(s);
    attn_seq_classifications_free(c, 1);
    attn_seq_inputs_free(input);
    attn_seq_model_close(m);
}

static void agrees_with_transformers(void **state)
{
    (void)state;
    agrees("vit/colour", "input.png");
    agrees("vit/grey", "input.png");
    agrees("vit/oblong", "input.png");
    agrees("ast/apart", "input.wav");
    agrees("ast/overlap", "input.wav");
}

/* A picture of every pixel alike gives another result than the fixture's; neither changes beside the other. */
static void neighbours_do_not_matter(void **state)
{
    (void)state;
    enum { N = 150 };
    attn_seq_model *m = open_fixture("vit/grey");
    attn_seq_input *one = read_fixture("vit/grey/input.png"), many[N];
    static uint8_t grey[100];
    memset(grey, 128, sizeof grey);
    for (int i = 0; i < N; i++) {
        many[i] = *one;
        if (i % 2) many[i].image = (attn_seq_image){10, 10, 1, grey};
    }
    attn_seq_classification *alone = classify(m, one, 1, false), *together = classify(m, many, N, false);
    for (int i = 0; i < N; i += 2) assert_float_equal(together[i].probabilities[0], alone->probabilities[0], 1e-6);
    assert_true(fabsf(together[1].probabilities[0] - alone->probabilities[0]) > 1e-4f);
    for (int i = 3; i < N; i += 2) assert_float_equal(together[i].probabilities[0], together[1].probabilities[0], 1e-6);
    attn_seq_classifications_free(alone, 1);
    attn_seq_classifications_free(together, N);
    attn_seq_inputs_free(one);
    attn_seq_model_close(m);
}

static void tells_where_it_looked(void **state)
{
    (void)state;
    attn_seq_model *m = open_fixture("ast/overlap");
    attn_seq_input *input = read_fixture("ast/overlap/input.wav");
    attn_seq_classification *plain = classify(m, input, 1, false), *c = classify(m, input, 1, true);
    assert_null(plain->attention);
    assert_int_equal(plain->attention_count, 0);
    assert_int_equal(c->attention_count, 1);
    assert_float_equal(c->probabilities[0], plain->probabilities[0], 1e-6);
    const attn_seq_attention *a = c->attention;
    assert_int_equal(a->kind, ATTN_SEQ_ATTENTION_ENCODER);
    assert_int_equal(a->rows, a->columns);
    for (int64_t i = 0; i < a->layers * a->heads * a->rows; i++) {
        double sum = 0;
        for (int64_t j = 0; j < a->columns; j++) sum += a->weights[i * a->columns + j];
        assert_float_equal(sum, 1, 1e-5);
    }
    const attn_seq_patches *p = a->patches;
    assert_non_null(p);
    assert_true(p->upward);
    assert_int_equal(p->leading + p->rows * p->columns, a->columns);
    assert_string_equal(a->row_labels[0], "[CLS]");
    assert_string_equal(a->row_labels[1], "[DIST]");
    assert_int_equal(strncmp(a->row_labels[2], "0.00-", 5), 0);
    assert_non_null(strstr(a->row_labels[2], " s, 20-"));
    attn_seq_classifications_free(plain, 1);
    attn_seq_classifications_free(c, 1);
    attn_seq_inputs_free(input);
    attn_seq_model_close(m);
}

/* What is shown is the picture that went in, where the model takes one of its size. */
static void shows_what_it_saw(void **state)
{
    (void)state;
    attn_seq_model *m = open_fixture("vit/grey");
    attn_seq_input *input = read_fixture("vit/grey/input.png");
    attn_seq_classification *c = classify(m, input, 1, true);
    const attn_seq_patches *p = c->attention->patches;
    assert_false(p->upward);
    assert_string_equal(c->attention->column_labels[p->leading + 1], "row 1, column 2");
    if (p->picture.width == input->image.width && p->picture.height == input->image.height &&
        input->image.channels == 1)
        assert_memory_equal(p->picture.pixels, input->image.pixels, (size_t)(p->picture.width * p->picture.height));
    attn_seq_classifications_free(c, 1);
    attn_seq_inputs_free(input);
    attn_seq_model_close(m);
}

static void refuses_what_it_cannot_take(void **state)
{
    (void)state;
    attn_seq_model *m = open_fixture("vit/grey"), *translator = open_fixture("marian/shared");
    attn_seq_classify_options o;
    attn_seq_classify_options_init(&o);
    attn_seq_classification *c;
    attn_seq_input text = {.kind = ATTN_SEQ_INPUT_TEXT, .text = {"a", 1}}, *image = read_fixture("vit/grey/input.png");
    assert_int_equal(attn_seq_classify(m, &o, &text, 1, &c), ATTN_ERROR_ARGUMENT);
    assert_null(c);
    assert_int_equal(attn_seq_classify(translator, &o, &text, 1, &c), ATTN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(attn_seq_error(), "translates"));
    assert_int_equal(attn_seq_classify(NULL, &o, image, 1, &c), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_classify(m, &o, NULL, 1, &c), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_classify(m, &o, image, -1, &c), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_classify(m, &o, NULL, 0, &c), ATTN_OK);
    o.threads = 2000;
    assert_int_equal(attn_seq_classify(m, &o, image, 1, &c), ATTN_ERROR_ARGUMENT);
    attn_seq_input wrong = *image;
    wrong.image.channels = 2;
    c = classify(m, &wrong, 1, true);
    assert_int_equal(c->status, ATTN_ERROR_FORMAT);
    assert_int_equal(c->label, -1);
    assert_null(c->probabilities);
    assert_non_null(strstr(c->message, "2 channels"));
    attn_seq_classifications_free(c, 1);
    wrong = *image;
    wrong.image.pixels = NULL;
    c = classify(m, &wrong, 1, true);
    assert_int_equal(c->status, ATTN_ERROR_FORMAT);
    assert_non_null(strstr(c->message, "pixels are NULL"));
    attn_seq_classifications_free(c, 1);
    attn_seq_translate_options t;
    attn_seq_translate_options_init(&t);
    attn_seq_translation *translation;
    assert_int_equal(attn_seq_translate(m, &t, &text.text, 1, &translation), ATTN_ERROR_UNSUPPORTED);
    attn_seq_inputs_free(image);
    attn_seq_model_close(m);
    attn_seq_model_close(translator);
}

static void refuses_recordings_that_are_none(void **state)
{
    (void)state;
    attn_seq_model *m = open_fixture("ast/apart");
    attn_seq_input *sound = read_fixture("ast/apart/input.wav"), wrong = *sound;
    wrong.audio.samples = NULL;
    attn_seq_classification *c = classify(m, &wrong, 1, true);
    assert_int_equal(c->status, ATTN_ERROR_FORMAT);
    assert_non_null(strstr(c->message, "samples are NULL"));
    attn_seq_classifications_free(c, 1);
    float samples[1000] = {[7] = NAN};
    wrong.audio.samples = samples;
    wrong.audio.count = 1000;
    c = classify(m, &wrong, 1, true);
    assert_int_equal(c->status, ATTN_ERROR_FORMAT);
    assert_non_null(strstr(c->message, "sample 7 is nan"));
    attn_seq_classifications_free(c, 1);
    attn_seq_inputs_free(sound);
    attn_seq_model_close(m);
}

static void *classify_often(void *argument)
{
    const attn_seq_model *m = argument;
    attn_seq_input *input = read_fixture("vit/colour/input.png");
    for (int i = 0; i < 20; i++) attn_seq_classifications_free(classify(m, input, 1, i % 2), 1);
    attn_seq_inputs_free(input);
    return NULL;
}

static void threads_share_a_model(void **state)
{
    (void)state;
    attn_seq_model *m = open_fixture("vit/colour");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, classify_often, m), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    attn_seq_model_close(m);
}

/* What is no text either is refused by its name. */
static void names_formats_that_it_does_not_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *name;
    } files[] = {
        {"GIF89a......", "a GIF image"},
        {"II*\0........", "a TIFF image"},
        {"RIFF....WEBP", "a WebP image"},
        {"....ftypheic", "a HEIF or AVIF image"},
        {"BM\x46\1\0\0\0\0\0\0\x36\0", "a BMP image"},
        {"fLaC........", "a FLAC recording"},
        {"%PDF-1.7\n%..", "a PDF document"},
    };
    const char *path = "classify_inputs.tmp";
    attn_seq_input_kind kind;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(replace_file_save(path, files[i].bytes, 12), ATTN_OK);
        assert_int_equal(attn_seq_file_kind(path, &kind), ATTN_ERROR_UNSUPPORTED);
        assert_non_null(strstr(attn_seq_error(), files[i].name));
    }
    assert_int_equal(replace_file_save(path, "BMW and GIFs", 12), ATTN_OK);
    assert_int_equal(attn_seq_file_kind(path, &kind), ATTN_OK);
    assert_int_equal(kind, ATTN_SEQ_INPUT_TEXT);
    unlink(path);
}

static void tells_files_apart(void **state)
{
    (void)state;
    attn_seq_input_kind kind;
    assert_int_equal(attn_seq_file_kind(MODEL_FIXTURES "/vit/grey/input.png", &kind), ATTN_OK);
    assert_int_equal(kind, ATTN_SEQ_INPUT_IMAGE);
    assert_int_equal(attn_seq_file_kind(MODEL_FIXTURES "/preparation/rgb.jpg", &kind), ATTN_OK);
    assert_int_equal(kind, ATTN_SEQ_INPUT_IMAGE);
    assert_int_equal(attn_seq_file_kind(MODEL_FIXTURES "/ast/apart/input.wav", &kind), ATTN_OK);
    assert_int_equal(kind, ATTN_SEQ_INPUT_AUDIO);
    assert_int_equal(attn_seq_file_kind(MODEL_FIXTURES "/ast/apart/config.json", &kind), ATTN_OK);
    assert_int_equal(kind, ATTN_SEQ_INPUT_TEXT);
    assert_int_equal(attn_seq_file_kind(MODEL_FIXTURES "/nothing", &kind), ATTN_ERROR_FILE);
    assert_int_equal(attn_seq_bytes_kind("\x89PNG\r\n\x1a\n", 8), ATTN_SEQ_INPUT_IMAGE);
    assert_int_equal(attn_seq_bytes_kind("\x89PNG\r\n\x1a", 7), ATTN_SEQ_INPUT_TEXT);
    assert_int_equal(attn_seq_bytes_kind("RIFF....WAVEfmt ", 16), ATTN_SEQ_INPUT_AUDIO);
    assert_int_equal(attn_seq_bytes_kind(NULL, 0), ATTN_SEQ_INPUT_TEXT);
    attn_seq_input *inputs;
    int64_t count;
    assert_int_equal(attn_seq_inputs_read(MODEL_FIXTURES "/ast/apart/config.json", &inputs, &count), ATTN_ERROR_FORMAT);
    assert_null(inputs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_transformers),
        cmocka_unit_test(neighbours_do_not_matter),
        cmocka_unit_test(tells_where_it_looked),
        cmocka_unit_test(shows_what_it_saw),
        cmocka_unit_test(refuses_what_it_cannot_take),
        cmocka_unit_test(threads_share_a_model),
        cmocka_unit_test(tells_files_apart),
        cmocka_unit_test(refuses_recordings_that_are_none),
        cmocka_unit_test(names_formats_that_it_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
