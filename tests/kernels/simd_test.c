#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/cpu.h"
#include "kernels/kernels.h"
#include "simd_probe.h"

#include <math.h>
#include <string.h>

#define GUARD 0x7fabcdefu /* a NaN that no operation makes */

static const simd_probe *const probes[] = {
    &simd_probe_scalar,
#if defined(__x86_64__)
    &simd_probe_avx2,
    &simd_probe_avx512,
#elif defined(__aarch64__)
    &simd_probe_neon,
#endif
};

static int usable_probes(void)
{
    const int built = (int)(sizeof probes / sizeof *probes), found = (int)cpu_detect()->found + 1;
    return found < built ? found : built;
}

/* The distance from the exact value in units of the last place of fp32. */
static double ulps(float got, double want)
{
    int exponent;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1.0, exponent - 24);
}

static void exp_is_near_and_flushes(void **state)
{
    (void)state;
    for (int p = 0; p < usable_probes(); p++) {
        double worst = 0;
        for (float x0 = -87; x0 < 88; x0 += 0.01f) {
            float x[16], y[16];
            for (int i = 0; i < 16; i++) x[i] = fminf(x0 + 0.0006f * (float)i, 88);
            probes[p]->exp(x, y, 16);
            for (int i = 0; i < 16; i++) worst = fmax(worst, ulps(y[i], exp((double)x[i])));
        }
        assert_true(worst < 1.5);
        float x[] = {0, -0.0f, -INFINITY, -87.001f, -1e30f, NAN, -1e-30f}, y[7];
        probes[p]->exp(x, y, 7);
        assert_true(y[0] == 1 && y[1] == 1 && y[2] == 0 && y[3] == 0 && y[4] == 0 && isnan(y[5]) && y[6] == 1);
    }
}

static void exp2_is_near_and_flushes(void **state)
{
    (void)state;
    for (int p = 0; p < usable_probes(); p++) {
        double worst = 0;
        for (float x0 = -126; x0 < 127; x0 += 0.01f) {
            float x[16], y[16];
            for (int i = 0; i < 16; i++) x[i] = fminf(x0 + 0.0006f * (float)i, 127);
            probes[p]->exp2(x, y, 16);
            for (int i = 0; i < 16; i++) worst = fmax(worst, ulps(y[i], exp2((double)x[i])));
        }
        assert_true(worst < (probes[p]->lanes == 1 ? 1.25 : 1)); /* the twin rounds twice */
        float x[] = {0, -0.0f, -INFINITY, -126, -126.00001f, -1e30f, NAN, -1e-30f, -125.5f}, y[9];
        probes[p]->exp2(x, y, 9);
        assert_true(y[0] == 1 && y[1] == 1 && y[2] == 0 && y[3] == 0x1p-126f && y[4] == 0 && y[5] == 0);
        assert_true(isnan(y[6]) && y[7] == 1 && ulps(y[8], exp2(-125.5)) < 1);
    }
}

static void log_is_near(void **state)
{
    (void)state;
    for (int p = 0; p < usable_probes(); p++) {
        double worst = 0;
        for (float a = 1e-37f; a < 1e37f; a *= 1.0003f) {
            float y;
            probes[p]->log(&a, &y, 1);
            worst = fmax(worst, fabs(y) > 1e-3 ? ulps(y, log((double)a)) : 0);
        }
        for (float a = 0.98f; a < 1.02f; a += 0x1p-20f) {
            float y;
            probes[p]->log(&a, &y, 1);
            worst = fmax(worst, a == 1 ? y != 0 : ulps(y, log((double)a)));
        }
        assert_true(worst < 1.6);
        float x[] = {1, 0, NAN}, y[3];
        probes[p]->log(x, y, 3);
        assert_true(y[0] == 0 && y[1] == -INFINITY && isnan(y[2]));
    }
}

static void squares_are_transposed(void **state)
{
    (void)state;
    for (int p = 0; p < usable_probes(); p++) {
        int lanes = probes[p]->lanes;
        float square[256];
        for (int n = 0; n < lanes * lanes; n++) square[n] = (float)n;
        probes[p]->transpose(square);
        for (int n = 0; n < lanes * lanes; n++) assert_true(square[n] == (float)(n % lanes * lanes + n / lanes));
    }
}

static void tanh_is_near(void **state)
{
    (void)state;
    for (int p = 0; p < usable_probes(); p++) {
        double worst = 0;
        for (float a = 1e-6f; a < 30; a *= 1.001f) {
            float x[2] = {a, -a}, y[2];
            probes[p]->tanh(x, y, 2);
            worst = fmax(worst, ulps(y[0], tanh((double)a)));
            assert_true(y[1] == -y[0]);
        }
        assert_true(worst < 3);
        float x[] = {0, INFINITY, -INFINITY, NAN, 1e30f}, y[5];
        probes[p]->tanh(x, y, 5);
        assert_true(y[0] == 0 && y[1] == 1 && y[2] == -1 && isnan(y[3]) && y[4] == 1);
    }
}

static void soft_cap_is_near(void **state)
{
    (void)state;
    const float caps[] = {0.3f, 1, 7, 30, 1e6f, 1e-30f, 1e30f};
    for (int p = 0; p < usable_probes(); p++)
        for (size_t c = 0; c < sizeof caps / sizeof *caps; c++) {
            const float cap = caps[c];
            double worst = 0;
            for (float a = 1e-6f; a < 30; a *= 1.001f) {
                const float x[2] = {a * cap, -a * cap};
                float bent[2], capped[2];
                probes[p]->soft_cap(cap, x, bent, capped, 2);
                for (int i = 0; i < 2; i++) {
                    worst = fmax(worst, ulps(bent[i], tanh((double)x[i] / (double)cap)));
                    assert_true(fabsf(bent[i]) <= 1 && capped[i] == cap * bent[i]);
                }
            }
            assert_true(worst < 3.5);
            const float x[] = {0, INFINITY, -INFINITY, NAN, 3e38f, -3e38f};
            float bent[6], capped[6];
            probes[p]->soft_cap(cap, x, bent, capped, 6);
            assert_true(bent[0] == 0 && bent[1] == 1 && bent[2] == -1 && isnan(bent[3]));
            assert_true(bent[4] == 1 && bent[5] == -1 && capped[4] == cap && capped[5] == -cap);
        }
}

/* Caps whose inverse no float holds keep 0 and what is far from it. */
static void the_least_soft_caps_keep_zero(void **state)
{
    (void)state;
    for (int p = 0; p < usable_probes(); p++) {
        const float x[] = {0, 1e-20f, -1e-20f};
        float bent[3], capped[3];
        probes[p]->soft_cap(0x1p-140f, x, bent, capped, 3);
        assert_true(capped[0] == 0 && capped[1] == 0x1p-140f && capped[2] == -0x1p-140f);
    }
}

static void tails_touch_nothing_beyond(void **state)
{
    (void)state;
    for (int p = 0; p < usable_probes(); p++)
        for (int n = 0; n < 40; n++) {
            float x[40], y[42];
            uint8_t bytes[40];
            uint32_t guard = GUARD;
            for (int i = 0; i < 40; i++) x[i] = (float)(i + 1), bytes[i] = i % 3 ? (uint8_t)(1u << i % 8) : 0;
            for (int i = 0; i < 42; i++) memcpy(&y[i], &guard, 4);
            probes[p]->select(bytes, x, y + 1, n);
            for (int i = 0; i < n; i++) assert_true(y[1 + i] == (i % 3 ? x[i] : 0));
            assert_memory_equal(&y[0], &guard, 4);
            for (int i = n + 1; i < 42; i++) assert_memory_equal(&y[i], &guard, 4);
        }
}

static void lanes_are_summed_and_compared(void **state)
{
    (void)state;
    for (int p = 0; p < usable_probes(); p++) {
        float x[16];
        int lanes = probes[p]->lanes;
        for (int at = 0; at < lanes; at++) {
            for (int i = 0; i < 16; i++) x[i] = i == at ? 7 : -1;
            assert_true(probes[p]->sum(x) == (float)(7 - (lanes - 1)));
            assert_true(probes[p]->largest(x) == 7);
        }
    }
}

static void dropout_draws_the_same_bits_everywhere(void **state)
{
    (void)state;
    const uint64_t key = 0x0123456789abcdefu;
    const uint32_t threshold = dropout_threshold(0.3f);
    const int64_t firsts[] = {0, 5, 1000003, 0xfffffff8};
    const dropout_draw draw = {.key = key, .head = 3, .threshold = threshold};
    for (int p = 0; p < usable_probes(); p++)
        for (int f = 0; f < 4; f++)
            for (int64_t quad = 0; quad < 9; quad++) {
                uint8_t kept[4 * 48];
                probes[p]->keeps(key, 3, threshold, firsts[f], quad, kept, 48);
                for (int i = 0; i < 48; i++)
                    for (int w = 0; w < 4; w++)
                        assert_int_equal(kept[4 * i + w], dropout_keeps(&draw, firsts[f] + i, 4 * quad + w));
            }
}

static void dropout_factors_fill_any_layout(void **state)
{
    (void)state;
    const dropout_draw draw = {.key = 7, .head = 2, .threshold = dropout_threshold(0.5f), .kept_factor = 2};
    for (int level = 0; level < usable_probes(); level++)
        for (int64_t key = 5; key < 13; key++)
            for (int64_t step = 1; step < 3; step++) {
                kernel_table table;
                kernels_fill(&table, (cpu_level)level);
                float factors[22 * 41];
                for (int n = 0; n < 22 * 41; n++) factors[n] = -1;
                dropout_tile tile = {3, 19, key, 11, factors, step == 1 ? 1 : 22, step == 1 ? 41 : 1};
                table.dropout_factors(&draw, &tile);
                int filled = 0;
                for (int n = 0; n < 22 * 41; n++) filled += factors[n] != -1;
                assert_int_equal(filled, 19 * 11);
                for (int64_t m = 0; m < 19; m++)
                    for (int64_t n = 0; n < 11; n++)
                        assert_true(factors[m * tile.query_step + n * tile.key_step] ==
                                    (dropout_keeps(&draw, 3 + m, key + n) ? 2 : 0));
            }
}

static void dropout_drops_the_share_it_is_told(void **state)
{
    (void)state;
    const dropout_draw draw = {.key = 42, .head = 1, .threshold = dropout_threshold(0.1f)};
    const dropout_draw none = {.key = 42, .head = 1, .threshold = dropout_threshold(0.0f)};
    int dropped = 0;
    for (int64_t i = 0; i < 400; i++)
        for (int64_t j = 0; j < 400; j++) {
            dropped += !dropout_keeps(&draw, i, j);
            assert_true(dropout_keeps(&none, i, j));
        }
    /* 160000 draws: mean 16000, standard deviation 120. */
    assert_in_range(dropped, 16000 - 600, 16000 + 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_near_and_flushes),
        cmocka_unit_test(exp2_is_near_and_flushes),
        cmocka_unit_test(log_is_near),
        cmocka_unit_test(squares_are_transposed),
        cmocka_unit_test(tanh_is_near),
        cmocka_unit_test(soft_cap_is_near),
        cmocka_unit_test(the_least_soft_caps_keep_zero),
        cmocka_unit_test(tails_touch_nothing_beyond),
        cmocka_unit_test(lanes_are_summed_and_compared),
        cmocka_unit_test(dropout_draws_the_same_bits_everywhere),
        cmocka_unit_test(dropout_factors_fill_any_layout),
        cmocka_unit_test(dropout_drops_the_share_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
