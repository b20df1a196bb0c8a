/* Bits of bf16 and fp16 calls: gradients on any threads, by a window or a mask, of packed sequences, of a bias that
 * heads share; weights and their column sums beside fp32's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "narrow_twin.h"

#include <stdlib.h>
#include <string.h>

static void bits_are_the_same_on_any_threads(void **state)
{
    (void)state;
    for (uint64_t seed = 5501; seed < 5520; seed += 2) {
        call_options o = call_random_options(seed);
        o.type = narrow_type_of(seed), o.additive = false;
        if (seed == 5501) o.B = o.H = o.HK = 1, o.T = 600, o.S = 801, o.D = 9, o.DV = 5;
        narrow_twin t = narrow_twin_create(&o, seed);
        uint16_t *kept[NARROW];
        t.d.parallel.threads = 1;
        narrow_backward(&t.d, seed);
        for (int n = 0; n < NARROW; n++) {
            const size_t bytes = t.c->outputs[n].size * sizeof(uint16_t);
            kept[n] = malloc(bytes);
            memcpy(kept[n], t.gradients[n], bytes);
        }
        for (int threads = 2; threads <= 8; threads += 3) {
            t.d.parallel.threads = threads;
            narrow_backward(&t.d, seed);
            for (int n = 0; n < NARROW; n++)
                assert_memory_equal(t.gradients[n], kept[n], t.c->outputs[n].size * sizeof(uint16_t));
        }
        for (int n = 0; n < NARROW; n++) free(kept[n]);
        narrow_twin_destroy(&t);
    }
}

enum { QUERIES = 64, KEYS = 150, OFFSET = KEYS - QUERIES, WIDTH = 16 };

/* Weights all alike, their gradients of turns positive and negative: two keys that cancel each other, but for what
 * they leave of the sum of the small ones before them, which no rounding hides. */
static void fill_cancelling(uint16_t k[KEYS][WIDTH], uint16_t v[KEYS], uint16_t grad_o[QUERIES], float lse[QUERIES])
{
    for (int j = 0; j < KEYS; j++) {
        v[j] = bf16_of_float(j % 2 ? -1 : 1);
        for (int x = 0; x < WIDTH; x++) k[j][x] = bf16_of_float(j / 2 % 2 ? (float)((7 * j + 13 * x) % 31) : 0x1p23f);
    }
    for (int i = 0; i < QUERIES; i++) grad_o[i] = bf16_of_float(1), lse[i] = 4;
}

/* A window that leaves a tile's first keys out is bytes that do: no product's sum begins at another place. */
static void a_window_has_the_bits_of_a_mask(void **state)
{
    (void)state;
    static uint16_t q[QUERIES][WIDTH], k[KEYS][WIDTH], v[KEYS], o[QUERIES], grad_o[QUERIES];
    static uint16_t grad_q[2][QUERIES][WIDTH], grad_k[2][KEYS][WIDTH], grad_v[2][KEYS];
    static unsigned char mask[QUERIES][KEYS];
    static float lse[QUERIES];
    fill_cancelling(k, v, grad_o, lse);
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, QUERIES, KEYS, WIDTH, 1);
    d.dtype = ATTN_DTYPE_BF16;
    d.q = (attn_view){q, 0, 0, WIDTH}, d.k = (attn_view){k, 0, 0, WIDTH}, d.v = (attn_view){v, 0, 0, 1};
    d.o = (attn_output){o, 0, 0, 1}, d.grad_o = (attn_view){grad_o, 0, 0, 1}, d.lse = (attn_output){lse, 0, 0, 1};
    d.query_offset = OFFSET;
    for (int left = 20; left < 60; left += 3) {
        for (int i = 0; i < QUERIES; i++)
            for (int j = 0; j < KEYS; j++) mask[i][j] = j >= i + OFFSET - left;
        for (int masked = 0; masked < 2; masked++) {
            d.mask = (attn_mask){masked ? mask : NULL, 0, 0, KEYS, 1}, d.window_left = masked ? -1 : left;
            d.grad_q = (attn_output){grad_q[masked], 0, 0, WIDTH},
            d.grad_k = (attn_output){grad_k[masked], 0, 0, WIDTH};
            d.grad_v = (attn_output){grad_v[masked], 0, 0, 1};
            narrow_backward(&d, (uint64_t)left);
        }
        assert_memory_equal(grad_q[0], grad_q[1], sizeof grad_q[0]);
        assert_memory_equal(grad_k[0], grad_k[1], sizeof grad_k[0]);
        assert_memory_equal(grad_v[0], grad_v[1], sizeof grad_v[0]);
    }
}

enum { H = 4, HK = 2, ROWS = 50, D = 24 };

static void expect_packed_as_alone(attn_dtype type)
{
    const int64_t starts[] = {1, 20, 20, 47};
    call_options o = {.B = 1, .H = H, .HK = HK, .T = ROWS, .S = ROWS, .D = D, .DV = D, .sigma = 1, .threads = 2};
    o.type = type;
    narrow_twin t = narrow_twin_create(&o, 5200);
    static uint16_t together[NARROW][ROWS * H * D], alone[NARROW][ROWS * H * D];
    for (int n = 0; n < NARROW; n++)
        for (int at = 0; at < ROWS * H * D; at++) together[n][at] = alone[n][at] = POISON;
    attn_desc d = t.d;
    d.B = 3, d.query_starts = d.key_starts = starts;
    d.grad_q = (attn_output){together[0], 0, D, H * D};
    d.grad_k = (attn_output){together[1], 0, D, HK * D};
    d.grad_v = (attn_output){together[2], 0, D, HK * D};
    narrow_backward(&d, 5200);
    for (int b = 0; b < 3; b++) {
        attn_desc one = t.d;
        const int64_t first = starts[b];
        one.T = one.S = starts[b + 1] - first;
        one.q.data = (const uint16_t *)d.q.data + first * d.q.row;
        one.k.data = (const uint16_t *)d.k.data + first * d.k.row;
        one.v.data = (const uint16_t *)d.v.data + first * d.v.row;
        one.grad_o.data = (const uint16_t *)d.grad_o.data + first * d.grad_o.row;
        one.o.data = (uint16_t *)d.o.data + first * d.o.row;
        one.lse.data = (float *)d.lse.data + first * d.lse.row;
        one.grad_q = (attn_output){alone[0] + first * H * D, 0, D, H * D};
        one.grad_k = (attn_output){alone[1] + first * HK * D, 0, D, HK * D};
        one.grad_v = (attn_output){alone[2] + first * HK * D, 0, D, HK * D};
        narrow_backward(&one, 5200);
    }
    assert_memory_equal(together, alone, sizeof alone);
    assert_int_equal(together[0][H * D - 1], POISON);
    assert_int_not_equal(together[0][H * D], POISON);
    narrow_twin_destroy(&t);
}

/* Three sequences packed in arrays of (rows, H, D): each as it is alone, rows of nobody as they were. */
static void packed_sequences_are_found(void **state)
{
    (void)state;
    expect_packed_as_alone(ATTN_DTYPE_BF16);
    expect_packed_as_alone(ATTN_DTYPE_FP16);
}

/* The bias's gradient alone. */
static void bias_gradient(const narrow_twin *t, attn_mask_output to, uint64_t seed)
{
    attn_desc d = t->d;
    d.grad_q.data = d.grad_k.data = d.grad_v.data = NULL;
    d.grad_bias = to;
    narrow_backward(&d, seed);
}

/* What is summed over sequences, heads and, with column 0, keys is what each pair has alone, added in order: keys that
 * stay packed are taken for no others. */
static void a_shared_bias_gets_the_sum_of_all(void **state)
{
    (void)state;
    enum { B = 2, H = 4, T = 70, S = 330, PAIRS = T * S };
    static float apart[B * H][T][S], together[PAIRS];
    for (uint64_t seed = 5800; seed < 5804; seed++) {
        call_options o = {.B = B, .H = H, .HK = 2, .T = T, .S = S, .D = 24, .DV = 40, .sigma = 1, .threads = 2};
        o.type = narrow_type_of(seed), o.bias = true;
        narrow_twin t = narrow_twin_create(&o, seed);
        float *bias = (float *)(uintptr_t)t.d.bias.data;
        for (int n = 1; n < B * H; n++) memcpy(bias + n * PAIRS, bias, sizeof apart[0]);
        const int columns = seed < 5802 ? S : 1;
        bias_gradient(&t, (attn_mask_output){apart, H * PAIRS, PAIRS, S, 1}, seed);
        bias_gradient(&t, (attn_mask_output){together, 0, 0, columns, columns > 1}, seed);
        for (int at = 0; at < T * columns; at++) {
            float sum = 0;
            for (int n = 0; n < B * H; n++)
                for (int j = at % columns; j < S; j += columns) sum += apart[n][at / columns][j];
            if (sum != together[at])
                fail_msg("seed %llu: number %d is %.9g, of each pair's %.9g", (unsigned long long)seed, at,
                         (double)together[at], (double)sum);
        }
        narrow_twin_destroy(&t);
    }
}

/* A tile of keys of which one block of queries sees the beginning, the next one as many at its end. */
static void two_ends_of_a_tile_are_two(void **state)
{
    (void)state;
    enum { T = 128, S = 64 };
    static unsigned char mask[T][S];
    for (int reach = 0; reach <= 10; reach += 10) {
        call_options o = {.B = 1, .H = 1, .HK = 1, .T = T, .S = S, .D = 24, .DV = 40, .sigma = 1, .threads = 1};
        o.type = ATTN_DTYPE_BF16;
        narrow_twin t = narrow_twin_create(&o, 5900);
        uint16_t *kept[NARROW];
        t.d.query_offset = -S / 2;
        for (int i = 0; i < T; i++)
            for (int j = 0; j < S; j++) mask[i][j] = abs(i - S / 2 - j) <= reach;
        t.d.mask = (attn_mask){mask, 0, 0, S, 1};
        narrow_backward(&t.d, 5900);
        for (int n = 0; n < NARROW; n++) {
            const size_t bytes = t.c->outputs[n].size * sizeof(uint16_t);
            kept[n] = memcpy(malloc(bytes), t.gradients[n], bytes);
        }
        t.d.mask.data = NULL, t.d.window_left = t.d.window_right = reach;
        narrow_backward(&t.d, 5900);
        for (int n = 0; n < NARROW; n++) {
            assert_memory_equal(kept[n], t.gradients[n], t.c->outputs[n].size * sizeof(uint16_t));
            free(kept[n]);
        }
        narrow_twin_destroy(&t);
    }
}

static void weights_and_their_sums_are_fp32_s(void **state)
{
    (void)state;
    for (uint64_t seed = 5400; seed < 5430; seed++) {
        call_options o = call_random_options(seed);
        o.type = narrow_type_of(seed);
        narrow_twin t = narrow_twin_create(&o, seed);
        size_t count = (size_t)(o.B * o.H * o.T * o.S), sums = (size_t)(o.B * o.H * o.S), bytes, wide_bytes;
        float *weights[2], *columns[2];
        const attn_desc *calls[] = {&t.c->desc, &t.d};
        assert_int_equal(attn_weights_column_sums_workspace_size(&t.d, &bytes), ATTN_OK);
        assert_int_equal(attn_weights_column_sums_workspace_size(&t.c->desc, &wide_bytes), ATTN_OK);
        assert_true(wide_bytes <= bytes);
        void *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 63) / 64 * 64);
        for (int n = 0; n < 2; n++) {
            weights[n] = malloc(count * sizeof(float) + 1);
            columns[n] = malloc(sums * sizeof(float) + 1);
            attn_output w = {weights[n], o.H * o.T * o.S, o.T * o.S, o.S}, s = {columns[n], o.H * o.S, o.S, 1};
            assert_int_equal(attn_weights(calls[n], NULL, &w), ATTN_OK);
            assert_int_equal(attn_weights_column_sums(calls[n], NULL, &s, workspace, bytes), ATTN_OK);
        }
        assert_memory_equal(weights[0], weights[1], count * sizeof(float));
        assert_memory_equal(columns[0], columns[1], sums * sizeof(float));
        for (int n = 0; n < 2; n++) free(weights[n]), free(columns[n]);
        free(workspace);
        narrow_twin_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_the_same_on_any_threads), cmocka_unit_test(a_window_has_the_bits_of_a_mask),
        cmocka_unit_test(packed_sequences_are_found),       cmocka_unit_test(a_shared_bias_gets_the_sum_of_all),
        cmocka_unit_test(two_ends_of_a_tile_are_two),       cmocka_unit_test(weights_and_their_sums_are_fp32_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
