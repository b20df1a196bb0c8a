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

typedef struct column_sums {
    attn_region region;
    attn_output view;
    float *data;
    int64_t count;
} column_sums;

/* The sums of a part of a call, with gaps that stay as they were. */
static column_sums sum_columns(const call *c, int threads)
{
    const call_options *o = &c->options;
    column_sums s = {.region = {.batch = o->B / 2,
                                .batches = o->B - o->B / 2,
                                .head = o->H / 2,
                                .heads = o->H - o->H / 2,
                                .row = o->T / 3,
                                .rows = o->T - o->T / 3}};
    int64_t head = 2 * o->S + 1;
    s.count = s.region.batches * s.region.heads * head;
    s.data = malloc((size_t)s.count * sizeof *s.data + 1);
    for (int64_t n = 0; n < s.count; n++) s.data[n] = POISON;
    s.view = (attn_output){s.data, s.region.heads * head, head, 2};
    attn_desc d = c->desc;
    d.v.data = d.o.data = NULL;
    d.parallel.threads = threads;
    size_t bytes;
    if (attn_weights_column_sums_workspace_size(&d, &bytes)) fail_msg("%s", attn_error());
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 127) / 64 * 64);
    memset(workspace, 0xff, bytes + 1);
    if (attn_weights_column_sums(&d, &s.region, &s.view, workspace, bytes))
        fail_msg("seed %llu: %s", (unsigned long long)c->seed, attn_error());
    assert_int_equal(workspace[bytes], 0xff);
    free(workspace);
    return s;
}

static double wanted_sum(const call *c, const attn_region *r, int64_t b, int64_t h, int64_t j)
{
    const call_options *o = &c->options;
    double sum = 0;
    for (int64_t i = r->row; i < r->row + r->rows; i++)
        sum += c->reference.weights[(((r->batch + b) * o->H + r->head + h) * o->T + i) * o->S + j];
    return sum;
}

static void column_sums_agree_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 3100; seed < 3180; seed++) {
        call_options o = call_random_options(seed);
        call *c = call_create(&o, seed);
        column_sums s = sum_columns(c, 1), again = sum_columns(c, 3);
        assert_memory_equal(s.data, again.data, (size_t)s.count * sizeof(float));
        for (int64_t n = 0; n < s.count; n++) {
            int64_t at = n % s.view.head, h = n / s.view.head % s.region.heads, b = n / s.view.batch, j = at / 2;
            bool gap = at % 2 || j >= o.S;
            double want = gap ? POISON : wanted_sum(c, &s.region, b, h, j);
            if (!(fabs(s.data[n] - want) <= (gap ? 0 : 1e-5 * (1 + fabs(want)))))
                fail_msg("seed %llu: sum %lld, %lld, %lld is %.9g, expected %.9g", (unsigned long long)seed,
                         (long long)b, (long long)h, (long long)j, s.data[n], want);
        }
        free(s.data);
        free(again.data);
        call_destroy(c);
    }
}

static void column_sums_of_nothing_are_zeros(void **state)
{
    (void)state;
    call_options o = {.B = 2, .H = 3, .HK = 3, .T = 0, .S = 5, .D = 4, .DV = 4, .sigma = 1, .threads = 1};
    call *c = call_create(&o, 1);
    column_sums s = sum_columns(c, 1);
    for (int64_t n = 0; n < s.count; n++) assert_true(s.data[n] == (n % 11 % 2 || n % 11 > 9 ? POISON : 0));
    free(s.data);
    call_destroy(c);
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
        cmocka_unit_test(column_sums_agree_with_the_reference),
        cmocka_unit_test(column_sums_of_nothing_are_zeros),
        cmocka_unit_test(a_nan_stays_in_the_rows_that_see_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
