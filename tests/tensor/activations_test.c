#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tensor/row_kernels.h"

#include <float.h>
#include <math.h>

enum { COUNT = 4099 }; /* with a rest, however wide the vectors are */

/* Sizes from 1e-20 to 200, both signs. */
static float size_at(int i)
{
    const float size = powf(10, -20 + 22.3f * (float)(i / 2) / (COUNT / 2));
    return i & 1 ? -size : size;
}

static double unit_in_the_last_place(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1, exponent - FLT_MANT_DIG);
}

static void tanh_is_within_three_units(void **state)
{
    (void)state;
    static float x[COUNT], y[COUNT];
    for (int i = 0; i < COUNT; i++) x[i] = i < 2048 ? size_at(2 * i + (i & 1)) : (float)(i - 3072) / 128;
    row_kernels_get()->tanh(COUNT, x, y);
    for (int i = 0; i < COUNT; i++) {
        const double expected = tanh((double)x[i]), error = fabs((double)y[i] - expected);
        assert_true(fabsf(y[i]) <= 1);
        if (error > 3 * unit_in_the_last_place(expected))
            fail_msg("tanh %g = %.9g, expected %.9g", x[i], y[i], expected);
    }
}

static double phi(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

static void gelu_and_its_slope_follow_the_normal_distribution(void **state)
{
    (void)state;
    static float x[COUNT], y[COUNT], slope[COUNT], beside[COUNT];
    for (int i = 0; i < COUNT; i++) slope[i] = x[i] = 16 * ((float)i / COUNT - 0.5f);
    row_kernels_get()->gelu(COUNT, x, y);
    row_kernels_get()->gelu_and_slope(COUNT, slope, beside);
    assert_memory_equal(y, beside, sizeof y);
    for (int i = 0; i < COUNT; i++) {
        const double v = x[i], density = exp(-v * v / 2) / sqrt(2 * acos(-1));
        if (fabs(y[i] - v * phi(v)) > 1e-6) fail_msg("gelu %g = %.9g, expected %.9g", v, y[i], v * phi(v));
        if (fabs(slope[i] - (phi(v) + v * density)) > 1e-6)
            fail_msg("slope at %g: %.9g, expected %.9g", v, slope[i], phi(v) + v * density);
    }
}

static void swish_and_its_slope_follow_the_logistic_function(void **state)
{
    (void)state;
    static float x[COUNT], y[COUNT], slope[COUNT], beside[COUNT];
    for (int i = 0; i < COUNT; i++) slope[i] = x[i] = 32 * ((float)i / COUNT - 0.5f);
    row_kernels_get()->swish(COUNT, x, y);
    row_kernels_get()->swish_and_slope(COUNT, slope, beside);
    assert_memory_equal(y, beside, sizeof y);
    for (int i = 0; i < COUNT; i++) {
        const double v = x[i], s = 1 / (1 + exp(-v));
        if (fabs(y[i] - v * s) > 1e-5) fail_msg("swish %g = %.9g, expected %.9g", v, y[i], v * s);
        if (fabs(slope[i] - s * (1 + v * (1 - s))) > 1e-5)
            fail_msg("slope at %g: %.9g, expected %.9g", v, slope[i], s * (1 + v * (1 - s)));
    }
}

static void what_is_no_number_stays_none(void **state)
{
    (void)state;
    const float odd[] = {NAN, INFINITY, -INFINITY, 0, -0.0f};
    float y[5], slope[] = {NAN, INFINITY, -INFINITY, 0, -0.0f};
    row_kernels_get()->tanh(5, odd, y);
    assert_true(isnan(y[0]) && y[1] == 1 && y[2] == -1 && y[3] == 0 && y[4] == 0 && signbit(y[4]));
    row_kernels_get()->swish(5, odd, y);
    assert_true(isnan(y[0]) && y[1] == INFINITY);
    row_kernels_get()->gelu_and_slope(5, slope, y);
    assert_true(isnan(slope[0]) && fabsf(slope[3] - 0.5f) < 1e-6f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tanh_is_within_three_units),
        cmocka_unit_test(gelu_and_its_slope_follow_the_normal_distribution),
        cmocka_unit_test(swish_and_its_slope_follow_the_logistic_function),
        cmocka_unit_test(what_is_no_number_stays_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
