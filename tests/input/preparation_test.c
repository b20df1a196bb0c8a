/* Pictures and sounds of tests/fixtures/preparation, beside what Pillow reads in them and what transformers' processors
 * make of them (tests/fixtures/make_preparation.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "formats/safetensors.h"
#include "input/image.h"
#include "input/spectrogram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same fixed-point resizing: only the last division may round differently. */
#define PIXEL_BOUND 1e-6f

/* Pillow 13 resizes columns first where the height shrinks much more than the width, as grey.png's does; other
 * versions, and this project, always rows first. That is one step of 255 here and there, over the smallest deviation,
 * 0.224. */
#define STEP_BOUND (1.001f / 255 / 0.224f)

/* The transform is in fp32 here and in fp64 there: it shows where a bin is far below the loudest of its frame. */
#define MEL_BOUND 1e-4f

static safetensors *expected;

static int open_expected(void **state)
{
    (void)state;
    return safetensors_open(&expected, PREPARATION_FIXTURES "/expected.safetensors") == ATTN_OK ? 0 : -1;
}

static int close_expected(void **state)
{
    (void)state;
    safetensors_close(expected);
    return 0;
}

static void must(attn_status status)
{
    if (status != ATTN_OK) fail_msg("%s", status_message());
}

/* FOLDER/NAME.json or FOLDER/FILE, as an expectation's name FILE@NAME has them. */
static void paths_of(const char *name, char *file, char *config, size_t size)
{
    const char *at = strchr(name, '@');
    int length = at ? (int)(at - name) : (int)strlen(name);
    snprintf(file, size, PREPARATION_FIXTURES "/%.*s", length, name);
    snprintf(config, size, PREPARATION_FIXTURES "/%s.json", at ? at + 1 : "");
}

static float largest_difference(const safetensors_tensor *t, const float *got)
{
    float *values = malloc((size_t)t->count * sizeof *values), largest = 0;
    assert_non_null(values);
    must(safetensors_read_floats(expected, t, values));
    for (int64_t i = 0; i < t->count; i++) {
        float difference = fabsf(got[i] - values[i]);
        if (!(difference <= largest)) largest = difference; /* NaN stays */
    }
    free(values);
    return largest;
}

static void compare_pixels(const safetensors_tensor *t, const char *file)
{
    picture p;
    must(picture_read(&p, file));
    const int64_t shape[3] = {p.height, p.width, p.channels};
    assert_int_equal(t->rank, 3);
    assert_memory_equal(t->shape, shape, sizeof shape);
    for (int64_t i = 0; i < t->count; i++)
        if (p.pixels[i] != t->bytes[i])
            fail_msg("%s: byte %lld is %d, expected %d", t->name, (long long)i, p.pixels[i], t->bytes[i]);
    picture_clear(&p);
}

static void compare_image(const safetensors_tensor *t, const char *file, const char *config)
{
    picture p;
    image_preparation preparation;
    must(picture_read(&p, file));
    must(image_preparation_read(&preparation, config, t->shape[0]));
    const int64_t shape[3] = {preparation.channels, preparation.height, preparation.width};
    assert_memory_equal(t->shape, shape, sizeof shape);
    float *got = malloc((size_t)t->count * sizeof *got);
    must(image_prepare(&preparation, file, &p, got));
    float difference = largest_difference(t, got);
    const bool other_order = strstr(file, "/grey.png") && preparation.width != preparation.height;
    if (!(difference <= (other_order ? STEP_BOUND : PIXEL_BOUND)))
        fail_msg("%s: differs by %g", t->name, (double)difference);
    free(got);
    picture_clear(&p);
}

static void compare_sound(const safetensors_tensor *t, const char *file, const char *config)
{
    sound s;
    spectrogram_preparation preparation;
    spectrogram *filters;
    must(wav_read(&s, file));
    must(spectrogram_preparation_read(&preparation, config));
    const int64_t shape[2] = {preparation.frames, preparation.bins};
    assert_memory_equal(t->shape, shape, sizeof shape);
    must(spectrogram_create(&filters, &preparation));
    float *got = malloc((size_t)t->count * sizeof *got);
    must(spectrogram_compute(filters, file, &s, got));
    float difference = largest_difference(t, got);
    if (!(difference <= MEL_BOUND)) fail_msg("%s: differs by %g", t->name, (double)difference);
    free(got);
    spectrogram_destroy(filters);
    sound_clear(&s);
}

static void agrees_with_transformers(void **state)
{
    (void)state;
    int sounds = 0, images = 0, pictures = 0;
    for (int64_t i = 0; i < safetensors_count(expected); i++) {
        const safetensors_tensor *t = safetensors_at(expected, i);
        char file[1024], config[1024];
        paths_of(t->name, file, config, sizeof file);
        if (strstr(t->name, ".wav")) {
            compare_sound(t, file, config);
            sounds++;
        } else if (strchr(t->name, '@')) {
            compare_image(t, file, config);
            images++;
        } else {
            compare_pixels(t, file);
            pictures++;
        }
    }
    assert_int_equal(pictures, 11);
    assert_true(images > 15 && sounds >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_transformers)};
    return cmocka_run_group_tests(tests, open_expected, close_expected);
}
