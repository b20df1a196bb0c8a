/* attn_rotate against the formula in fp64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"
#include "rotary_formula.h"

#include "base/number_format.h"

#include <stdlib.h>
#include <string.h>

/* Queries at offsets, at a cache's end, and in place. */
static void queries_turn_to_their_positions(void **state)
{
    (void)state;
    for (uint64_t seed = 300; seed < 360; seed++) {
        attn_desc d;
        int64_t B = 2, H = 3, T = drawn_whole(seed, 0, 1, 9), D = drawn_whole(seed, 1, 1, 200);
        attn_desc_init(&d, sizeof d, B, H, 1, T, 0, D, 0);
        rotary_table t = rotary_table_create(drawn_whole(seed, 2, 0, 1), drawn_whole(seed, 3, 0, D / 2) * 2);
        const int64_t offsets[] = {17, -3}, lengths[] = {50, T - 1};
        float *q = drawn_rows(seed, 75, B * H * T * D), *y = malloc((size_t)(B * H * T * D) * sizeof *y);
        d.q.data = q, d.query_offset = 100;
        if (seed % 3 == 1) d.query_offsets = offsets;
        const attn_output out = {y, d.q.batch, d.q.head, d.q.row};
        expect_rotated(&d, seed % 3 == 2 ? lengths : NULL, &t.rotary, &out);
        for (int64_t n = 0; n < B * H * T * D; n++) {
            int64_t b = n / (H * T * D), i = n / D % T, p = 100 + i;
            if (seed % 3 == 1) p = offsets[b] + i;
            if (seed % 3 == 2) p = lengths[b] - T + i;
            expect_turned(seed, "q", y[n],
                          rotary_turned(t.rotary.kind, t.rotary.R, p < 0 ? 0 : p, q + n / D * D, n % D));
        }
        const attn_output in_place = {q, d.q.batch, d.q.head, d.q.row};
        expect_rotated(&d, seed % 3 == 2 ? lengths : NULL, &t.rotary, &in_place);
        expect_same_bits("in place", seed, q, y, B * H * T * D);
        free(q);
        free(y);
        rotary_table_destroy(&t);
    }
}

/* Narrow queries get the bits of the same numbers in fp32, turned and rounded; in place, too. */
static void narrow_queries_turn_as_fp32_does(void **state)
{
    (void)state;
    for (uint64_t seed = 360; seed < 400; seed++) {
        attn_desc d;
        const int64_t B = 2, H = 2, T = drawn_whole(seed, 0, 1, 5), D = drawn_whole(seed, 1, 1, 300),
                      count = B * H * T * D;
        const bool bf16 = seed % 2;
        attn_desc_init(&d, sizeof d, B, H, 1, T, 0, D, 0);
        rotary_table t = rotary_table_create(drawn_whole(seed, 2, 0, 1), drawn_whole(seed, 3, 0, D / 2) * 2);
        float *q = drawn_rows(seed, 75, count), *y = malloc((size_t)count * sizeof *y);
        const attn_dtype type = seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
        uint16_t *low = narrowed_rows(type, q, count), *turned = malloc((size_t)count * sizeof *turned);
        d.q.data = q, d.query_offset = 100;
        const attn_output out = {y, d.q.batch, d.q.head, d.q.row}, narrow = {turned, out.batch, out.head, out.row};
        expect_rotated(&d, NULL, &t.rotary, &out);
        d.q.data = low, d.dtype = bf16 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
        expect_rotated(&d, NULL, &t.rotary, &narrow);
        for (int64_t n = 0; n < count; n++)
            assert_int_equal(turned[n], bf16 ? bf16_of_float(y[n]) : fp16_of_float(y[n]));
        expect_rotated(&d, NULL, &t.rotary, &(attn_output){low, out.batch, out.head, out.row});
        assert_memory_equal(low, turned, (size_t)count * sizeof *low);
        free(q);
        free(y);
        free(low);
        free(turned);
        rotary_table_destroy(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_turn_to_their_positions),
        cmocka_unit_test(narrow_queries_turn_as_fp32_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
