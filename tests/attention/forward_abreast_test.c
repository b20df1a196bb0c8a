/* Single queries whose heads lie beside each other go together, and have the bits of heads that lie apart: whatever the
 * lengths, the number of heads and the threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

#define APART 16 /* between heads that lie apart */

static uint64_t seed_of_test;

static int64_t whole(uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed_of_test, n, 1).word[0] % (high - low + 1);
}

/* (rows, H, columns) with `gap` between heads, the same numbers whatever the gap. */
static float *rows_of(uint64_t stream, int64_t rows, int64_t H, int64_t columns, int64_t gap)
{
    float *x = calloc((size_t)(rows * H * (columns + gap)) + 1, sizeof *x);
    for (int64_t n = 0; n < rows * H * columns; n++)
        x[n / columns * (columns + gap) + n % columns] =
            2 * random_unit(random_philox(seed_of_test, (uint64_t)n, stream).word[0]) - 1;
    return x;
}

static attn_view view_of(const float *x, int64_t rows, int64_t H, int64_t columns, int64_t gap)
{
    return (attn_view){x, rows * H * (columns + gap), columns + gap, H * (columns + gap)};
}

static attn_output output_of(float *x, int64_t H, int64_t columns, int64_t gap)
{
    return (attn_output){x, H * (columns + gap), columns + gap, H * (columns + gap)};
}

/* O as (B, H, DV), then the log-sum-exps (B, H). */
static float *run(const attn_desc *sizes, int64_t gap)
{
    attn_desc d = *sizes;
    const int64_t B = d.B, H = d.H, S = d.S;
    float *q = rows_of(10, B, H, d.D, gap), *k = rows_of(11, B * S, H, d.D, gap), *v = rows_of(12, B * S, H, d.DV, gap);
    float *o = rows_of(13, B, H, d.DV, gap), *out = calloc((size_t)(B * H * (d.DV + 1)), sizeof *out);
    d.q = view_of(q, 1, H, d.D, gap);
    d.k = view_of(k, S, H, d.D, gap);
    d.v = view_of(v, S, H, d.DV, gap);
    d.o = output_of(o, H, d.DV, gap);
    d.lse = (attn_output){out + B * H * d.DV, H, 1, 1};
    size_t size;
    assert_int_equal(attn_forward_workspace_size(sizes, &size), ATTN_OK); /* the strides do not count */
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, (size + ATTN_ALIGNMENT - 1) / ATTN_ALIGNMENT * ATTN_ALIGNMENT);
    if (attn_forward(&d, workspace, size) != ATTN_OK) fail_msg("%s", attn_error());
    for (int64_t n = 0; n < B * H; n++) memcpy(out + n * d.DV, o + n * (d.DV + gap), (size_t)d.DV * sizeof *out);
    void *all[] = {q, k, v, o, workspace};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
    return out;
}

static void heads_that_touch_are_as_heads_apart(void **state)
{
    (void)state;
    for (seed_of_test = 0; seed_of_test < 200; seed_of_test++) {
        attn_desc d;
        int64_t lengths[9];
        const int64_t B = whole(0, 1, 9), H = whole(1, 1, 40), S = whole(2, 1, 150), DV = 16 * whole(4, 1, 3);
        attn_desc_init(&d, sizeof d, B, H, H, 1, S, whole(3, 1, 50), DV);
        for (int64_t b = 0; b < B; b++) lengths[b] = whole(20 + (uint64_t)b, 0, S);
        if (whole(5, 0, 1)) d.key_lengths = lengths;
        if (whole(6, 0, 1)) d.softcap = 1.5f;
        d.parallel.threads = 1;
        float *want = run(&d, APART), *together = run(&d, 0);
        d.parallel.threads = 3;
        float *shared = run(&d, 0);
        assert_memory_equal(together, want, (size_t)(B * H * (DV + 1)) * sizeof *want);
        assert_memory_equal(shared, want, (size_t)(B * H * (DV + 1)) * sizeof *want);
        free(want);
        free(together);
        free(shared);
    }
}

/* Each of the rules that leave some keys out, or change their scores. */
static void other_rules_are_kept(void **state)
{
    (void)state;
    enum { B = 2, H = 3, S = 20 };
    static const uint8_t kept[S] = {1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1};
    static const float bias[S] = {0.5f, -1, 2}, slopes[H] = {0.5f, 0.25f, 0.125f}, sinks[H] = {0.5f, 1, -1};
    for (int rule = 0; rule < 7; rule++) {
        attn_desc d;
        attn_desc_init(&d, sizeof d, B, H, H, 1, S, 16, 16);
        seed_of_test = 900;
        float *plain = run(&d, 0);
        if (rule == 0) d.causal = true, d.query_offset = 7;
        if (rule == 1) d.window_left = 2, d.query_offset = 9;
        if (rule == 2) d.window_right = 2;
        if (rule == 3) d.mask = (attn_mask){kept, 0, 0, 0, 1};
        if (rule == 4) d.bias = (attn_mask){bias, 0, 0, 0, 1};
        if (rule == 5) d.alibi_slopes = slopes;
        if (rule == 6) d.sinks = sinks;
        float *want = run(&d, APART), *together = run(&d, 0);
        const size_t bytes = B * H * 17 * sizeof *want;
        assert_memory_equal(together, want, bytes);
        assert_memory_not_equal(together, plain, bytes);
        free(plain);
        free(want);
        free(together);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(heads_that_touch_are_as_heads_apart),
                                       cmocka_unit_test(other_rules_are_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
