/* attn_decode against the fp64 reference, from contiguous caches and from pages; what it must not read; nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drawn_decoding.h"

#include <math.h>
#include <string.h>

static void agrees_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 3000; seed < 3120; seed++) {
        decoding x = decoding_create(seed);
        const dense *reference = &x.call->reference;
        forward_results r = decode_call(&x.desc, &x.cache, seed);
        for (int64_t n = 0; n < decoding_outputs(&x.desc); n++)
            expect_near(seed, "o", n, r.o[n], reference->o[n], 2e-5);
        for (int64_t n = 0; n < x.desc.B * x.desc.H * x.desc.T; n++)
            expect_near(seed, "lse", n, r.lse[n], reference->lse[n], 1e-6 * (5 + fabs(reference->lse[n])));
        attn_cache pages = decoding_in_pages(&x, seed);
        forward_results p = decode_call(&x.desc, &pages, seed + 1);
        expect_same_bits("o from pages", seed, r.o, p.o, decoding_outputs(&x.desc));
        expect_same_bits("lse from pages", seed, r.lse, p.lse, x.desc.B * x.desc.H * x.desc.T);
        forward_results_free(&r);
        forward_results_free(&p);
        decoding_destroy(&x);
    }
}

/* Keys that a query does not see may be anything for it, though another one sees them; those that none sees need not
 * even be: a window gives its pages back. */
static void what_is_not_seen_is_not_read(void **state)
{
    (void)state;
    enum { HK = 2, H = 4, T = 3, S = 1100, D = 7, PAGE = 16, PAGES = (S + PAGE - 1) / PAGE };
    static float q[H * T * D], k[HK * S * D], pages[PAGES * HK * PAGE * D];
    int64_t length = S;
    for (int n = 0; n < H * T * D; n++) q[n] = (float)(n % 5) / 5;
    for (int n = 0; n < HK * S * D; n++) k[n] = (float)(n % 7) / 7;
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, H, HK, T, S, D, D);
    d.q.data = q, d.causal = true, d.window_left = 600;
    attn_cache c, p;
    attn_cache_init(&c, sizeof c, 1, HK, S, D, D, 0, 0);
    c.k.data = c.v.data = k, c.lengths = &length;
    forward_results want = decode_call(&d, &c, 0);
    k[(S - 1) * D] = NAN; /* the newest key of the first key head: seen by the last query alone */
    for (int n = 0; n < (S - T - 600) * D; n++) k[n] = NAN;
    forward_results got = decode_call(&d, &c, 0);
    for (int row = 0; row < H * T; row++) {
        if (row < H / HK * T && row % T == T - 1)
            assert_true(isnan(got.o[row * D]) && isnan(got.lse[row]));
        else
            expect_same_bits("a row that does not see NaN", 0, got.o + row * D, want.o + row * D, D);
    }
    int32_t table[PAGES];
    attn_cache_init(&p, sizeof p, 1, HK, S, D, D, PAGE, PAGES);
    p.k.data = p.v.data = pages, p.lengths = &length, p.page_table = table;
    for (int n = 0; n < PAGES; n++) table[n] = n < (S - T - 600) / PAGE ? -7 : PAGES - 1 - n;
    for (int h = 0; h < HK; h++)
        for (int j = S - T - 600; j < S; j++)
            memcpy(&pages[((table[j / PAGE] * HK + h) * PAGE + j % PAGE) * D], &k[(h * S + j) * D], D * sizeof(float));
    forward_results paged = decode_call(&d, &p, 0);
    for (int row = 0; row < H * T; row++)
        if (!isnan(got.o[row * D]))
            expect_same_bits("from the pages that are left", 0, paged.o + row * D, got.o + row * D, D);
    forward_results_free(&want);
    forward_results_free(&got);
    forward_results_free(&paged);
}

/* Sizes of 0 and sequences that have nothing yet. */
static void nothing_gives_zeros(void **state)
{
    (void)state;
    float q[4] = {1, 2, 3, 4}, k[2 * 3 * 2] = {NAN};
    int64_t lengths[2] = {0, 1};
    k[6] = k[7] = 2;
    attn_desc d;
    attn_desc_init(&d, sizeof d, 2, 1, 1, 1, 3, 2, 2);
    attn_cache c;
    attn_cache_init(&c, sizeof c, 2, 1, 3, 2, 2, 0, 0);
    d.q.data = q, c.k.data = c.v.data = k, c.lengths = lengths, d.causal = true;
    forward_results r = decode_call(&d, &c, 0);
    assert_true(r.o[0] == 0 && r.o[1] == 0 && r.lse[0] == -INFINITY && r.o[2] == 2 && r.o[3] == 2);
    forward_results_free(&r);
    attn_desc_init(&d, sizeof d, 2, 1, 1, 1, 0, 2, 2);
    attn_cache_init(&c, sizeof c, 2, 1, 0, 2, 2, 0, 0);
    lengths[1] = 0;
    d.q.data = q, c.lengths = lengths;
    r = decode_call(&d, &c, 0);
    assert_true(r.o[3] == 0 && r.lse[1] == -INFINITY);
    forward_results_free(&r);
    attn_desc_init(&d, sizeof d, 2, 1, 1, 0, 3, 2, 2);
    attn_cache_init(&c, sizeof c, 2, 1, 3, 2, 2, 0, 0);
    c.k.data = c.v.data = k, c.lengths = lengths;
    r = decode_call(&d, &c, 0);
    forward_results_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(what_is_not_seen_is_not_read),
        cmocka_unit_test(nothing_gives_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
