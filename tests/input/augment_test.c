#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "input/augment_audio.h"
#include "input/augment_image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 28, SAMPLES = 4000, FRAMES = 40, BINS = 16 };

/* A bright block in the middle of the dark. */
static void draw_block(unsigned char *image)
{
    memset(image, 0, SIDE * SIDE);
    for (int y = 9; y < 19; y++) memset(image + y * SIDE + 9, 200, 10);
}

static double brightness(const unsigned char *image)
{
    double sum = 0;
    for (int i = 0; i < SIDE * SIDE; i++) sum += image[i];
    return sum;
}

static void images_stay_when_strength_is_zero(void **state)
{
    (void)state;
    unsigned char from[SIDE * SIDE], to[SIDE * SIDE];
    draw_block(from);
    augment_image(from, to, SIDE, SIDE, 1, 0, 5);
    assert_memory_equal(from, to, sizeof to);
}

static void images_change_with_the_key_and_keep_what_they_show(void **state)
{
    (void)state;
    unsigned char from[SIDE * SIDE], one[SIDE * SIDE], again[SIDE * SIDE], other[SIDE * SIDE];
    draw_block(from);
    for (uint64_t key = 1; key <= 50; key++) {
        augment_image(from, one, SIDE, SIDE, 1, 1, key);
        augment_image(from, again, SIDE, SIDE, 1, 1, key);
        augment_image(from, other, SIDE, SIDE, 1, 1, key + 1000);
        assert_memory_equal(one, again, sizeof one);
        assert_memory_not_equal(one, other, sizeof one);
        double share = brightness(one) / brightness(from);
        assert_true(share > 0.5 && share < 1.8);
    }
}

static void colours_and_oblong_images_stay_within_their_pixels(void **state)
{
    (void)state;
    enum { W = 5, H = 9 };
    unsigned char *from = malloc(W * H * 3), *to = malloc(W * H * 3);
    for (int i = 0; i < W * H; i++) {
        from[3 * i] = 10;
        from[3 * i + 1] = 100;
        from[3 * i + 2] = 250;
    }
    augment_image(from, to, W, H, 3, 4, 3);
    assert_memory_equal(from, to, W * H * 3); /* one colour everywhere: also outside */
    augment_image(from, to, 1, 1, 3, 4, 3);
    assert_memory_equal(from, to, 3);
    free(from);
    free(to);
}

static void recordings_change_within_their_room(void **state)
{
    (void)state;
    float *from = malloc(SAMPLES * sizeof *from);
    float *one = malloc((size_t)augment_audio_most(SAMPLES) * sizeof *one);
    float *again = malloc((size_t)augment_audio_most(SAMPLES) * sizeof *again);
    for (int i = 0; i < SAMPLES; i++) from[i] = 0.3f * sinf(0.05f * (float)i);
    assert_int_equal(augment_audio(from, SAMPLES, one, 0, 1), SAMPLES);
    assert_memory_equal(from, one, SAMPLES * sizeof *one);
    for (uint64_t key = 1; key <= 50; key++) {
        double strength = key % 2 ? 1 : 4;
        int64_t made = augment_audio(from, SAMPLES, one, strength, key);
        assert_true(made > 0 && made <= augment_audio_most(SAMPLES));
        assert_int_equal(augment_audio(from, SAMPLES, again, strength, key), made);
        assert_memory_equal(one, again, (size_t)made * sizeof *one);
        if (strength > 1) continue;
        assert_true(made > SAMPLES * 0.8 && made < SAMPLES * 1.3);
        for (int64_t i = 0; i < made; i++) assert_true(fabsf(one[i]) < 1.2f);
    }
    assert_int_equal(augment_audio(from, 0, one, 1, 1), 0);
    assert_true(augment_audio(from, 1, one, 1, 1) <= augment_audio_most(1));
    free(from);
    free(one);
    free(again);
}

static void spectrograms_lose_a_run_of_frames_and_of_bins(void **state)
{
    (void)state;
    float values[FRAMES * BINS];
    int hidden = 0;
    for (uint64_t key = 0; key < 50; key++) {
        for (int i = 0; i < FRAMES * BINS; i++) values[i] = 1;
        augment_spectrogram(values, FRAMES / 2, BINS, 0, 1, key);
        for (int i = FRAMES / 2 * BINS; i < FRAMES * BINS; i++) assert_float_equal(values[i], 1, 0);
        for (int i = 0; i < FRAMES / 2 * BINS; i++) hidden += values[i] == 0;
    }
    /* A tenth of the frames and a tenth of the bins, on average. */
    double share = hidden / (50.0 * FRAMES / 2 * BINS);
    assert_true(share > 0.1 && share < 0.3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_stay_when_strength_is_zero),
        cmocka_unit_test(images_change_with_the_key_and_keep_what_they_show),
        cmocka_unit_test(colours_and_oblong_images_stay_within_their_pixels),
        cmocka_unit_test(recordings_change_within_their_room),
        cmocka_unit_test(spectrograms_lose_a_run_of_frames_and_of_bins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
