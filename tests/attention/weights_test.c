#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2
#define POISON (-7.0f) /* no weight is */

/* A part of every random call's weights against fp64, with gaps between rows that stay as they were. */
static void chosen_weights_agree_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 3000; seed < 3080; seed++) {
        call_options o = call_random_options(seed);
        call *c = call_create(&o, seed);
        const attn_region r = {.batch = o.B / 2,
                               .batches = o.B - o.B / 2,
                               .head = o.H / 2,
                               .heads = o.H - o.H / 2,
                               .row = o.T / 3,
                               .rows = o.T - o.T / 3};
        int64_t wide = o.S + GAP, count = r.batches * r.heads * r.rows * wide;
        float *data = malloc((size_t)count * sizeof *data + 1);
        for (int64_t n = 0; n < count; n++) data[n] = POISON;
        const attn_output w = {data, r.heads * r.rows * wide, r.rows * wide, wide};
        if (attn_weights(&c->desc, &r, &w)) fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
        for (int64_t n = 0; n < count; n++) {
            int64_t j = n % wide, i = n / wide % r.rows, h = n / wide / r.rows % r.heads,
                    b = n / wide / r.rows / r.heads;
            int64_t row = ((r.batch + b) * o.H + r.head + h) * o.T + r.row + i;
            double want = j < o.S ? c->reference.weights[row * o.S + j] : POISON;
            if (!(fabs(data[n] - want) <= 2e-6))
                fail_msg("seed %llu: weight %lld, %lld, %lld, %lld is %.9g, expected %.9g", (unsigned long long)seed,
                         (long long)b, (long long)h, (long long)i, (long long)j, data[n], want);
        }
        free(data);
        call_destroy(c);
    }
}

static void a_nan_stays_in_the_rows_that_see_it(void **state)
{
    (void)state;
    call_options o = {
        .B = 1, .H = 1, .HK = 1, .T = 4, .S = 4, .D = 3, .DV = 3, .sigma = 1, .causal = true, .threads = 1};
    call *c = call_create(&o, 1);
    c->desc.query_offset = 0;
    ((float *)c->desc.k.data)[2 * c->desc.k.row] = NAN;
    float data[16];
    assert_int_equal(attn_weights(&c->desc, NULL, &(attn_output){data, 16, 16, 4}), ATTN_OK);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            if (i < 2) assert_true(j <= i ? data[4 * i + j] > 0 : data[4 * i + j] == 0);
            if (i >= 2 && j == 2) assert_true(isnan(data[4 * i + j]));
        }
    call_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_weights_agree_with_the_reference),
        cmocka_unit_test(a_nan_stays_in_the_rows_that_see_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
