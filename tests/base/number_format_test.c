#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/number_format.h"

#include <math.h>

/* Every 16-bit pattern survives the way to fp32 and back; a NaN stays one. */
static void every_pattern_returns(void **state)
{
    (void)state;
    for (uint32_t p = 0; p <= 0xffff; p++) {
        uint16_t b = (uint16_t)p;
        if (isnan(bf16_to_float(b)))
            assert_true(isnan(bf16_to_float(bf16_of_float(bf16_to_float(b)))));
        else
            assert_int_equal(bf16_of_float(bf16_to_float(b)), b);
        if (isnan(fp16_to_float(b)))
            assert_true(isnan(fp16_to_float(fp16_of_float(fp16_to_float(b)))));
        else
            assert_int_equal(fp16_of_float(fp16_to_float(b)), b);
    }
}

/* The value of an fp16 from its definition. */
static double fp16_value(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 0x3ff;
    double magnitude = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -magnitude : magnitude;
}

/* Between neighbours: exact values, midpoints to even, and a hair on either side of the midpoint. */
static void fp16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint16_t h = 0; h < 0x7bff; h++) {
        double low = fp16_value(h), high = fp16_value((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2);
        assert_true(fp16_to_float(h) == low);
        assert_int_equal(fp16_of_float(middle), h & 1 ? h + 1 : h);
        assert_int_equal(fp16_of_float(nextafterf(middle, 0)), h);
        assert_int_equal(fp16_of_float(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(fp16_of_float(-middle), 0x8000 | (h & 1 ? h + 1 : h));
    }
    assert_int_equal(fp16_of_float(65519.996f), 0x7bff);
    assert_int_equal(fp16_of_float(65520), 0x7c00);
    assert_int_equal(fp16_of_float(-INFINITY), 0xfc00);
    assert_int_equal(fp16_of_float(0x1p-149f), 0);
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t p = 0; p < 0x7f80; p++) {
        float middle = float_of_bits(p << 16 | 0x8000);
        assert_int_equal(bf16_of_float(middle), p & 1 ? p + 1 : p);
        assert_int_equal(bf16_of_float(nextafterf(middle, 0)), p);
        assert_int_equal(bf16_of_float(nextafterf(middle, INFINITY)), p + 1);
    }
    assert_int_equal(bf16_of_float(INFINITY), 0x7f80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_returns),
        cmocka_unit_test(fp16_rounds_to_nearest_even),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
