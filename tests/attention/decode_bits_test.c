/* attn_decode's bits over threads, batches and queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drawn_decoding.h"
#include "run_backwards.h"

static void threads_do_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 3200; seed < 3230; seed++) {
        decoding x = decoding_create(seed);
        x.desc.parallel.threads = 1;
        forward_results one = decode_call(&x.desc, &x.cache, seed);
        for (int threads = 2; threads <= 8; threads += 3) {
            x.desc.parallel.threads = threads;
            if (threads == 5) x.desc.parallel.run = run_backwards;
            forward_results r = decode_call(&x.desc, &x.cache, seed);
            expect_same_bits("o, other threads", seed, one.o, r.o, decoding_outputs(&x.desc));
            expect_same_bits("lse, other threads", seed, one.lse, r.lse, x.desc.B * x.desc.H * x.desc.T);
            forward_results_free(&r);
        }
        forward_results_free(&one);
        decoding_destroy(&x);
    }
}

static attn_mask sequence_of(attn_mask mask, int64_t b, size_t size)
{
    if (mask.data) mask.data = (const char *)mask.data + b * mask.batch * (int64_t)size;
    return mask;
}

/* Each sequence on its own, in a cache that has more room. */
static void the_batch_does_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 3300; seed < 3340; seed++) {
        decoding x = decoding_create(seed);
        forward_results all = decode_call(&x.desc, &x.cache, seed);
        for (int64_t b = 0; b < x.desc.B; b++) {
            attn_desc d = x.desc;
            attn_cache c = x.cache;
            d.B = c.B = 1;
            if (d.block_mask.starts) d.block_mask.starts += b * d.block_mask.batch;
            if (!d.mask.data && !d.bias.data) d.S = c.S = d.S + 700;
            d.q.data = (const float *)d.q.data + b * d.q.batch;
            c.k.data = (float *)c.k.data + b * c.k.batch, c.v.data = (float *)c.v.data + b * c.v.batch;
            d.mask = sequence_of(d.mask, b, 1), d.bias = sequence_of(d.bias, b, sizeof(float));
            c.lengths += b;
            if (d.query_offsets) d.query_offsets += b;
            forward_results one = decode_call(&d, &c, seed);
            expect_same_bits("a sequence alone", seed, all.o + b * decoding_outputs(&d), one.o, decoding_outputs(&d));
            forward_results_free(&one);
        }
        forward_results_free(&all);
        decoding_destroy(&x);
    }
}

/* Each query on its own, told where it stands. */
static void the_other_queries_do_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 3400; seed < 3440; seed++) {
        decoding x = decoding_create(seed);
        forward_results all = decode_call(&x.desc, &x.cache, seed);
        for (int64_t i = 0; i < x.desc.T; i++) {
            attn_desc d = x.desc;
            int64_t offsets[CALL_SEQUENCES];
            for (int64_t b = 0; b < d.B; b++)
                offsets[b] = i + (d.query_offsets ? d.query_offsets[b] : x.cache.lengths[b] - d.T);
            d.query_offsets = offsets, d.T = 1;
            d.q.data = (const float *)d.q.data + i * d.q.row;
            if (d.mask.data) d.mask.data = (const char *)d.mask.data + i * d.mask.row;
            if (d.bias.data) d.bias.data = (const float *)d.bias.data + i * d.bias.row;
            if (d.block_mask.starts) d.block_mask.starts += i / d.block_mask.queries;
            forward_results one = decode_call(&d, &x.cache, seed);
            for (int64_t row = 0; row < d.B * d.H; row++)
                expect_same_bits("a query alone", seed, all.o + (row * x.desc.T + i) * d.DV, one.o + row * d.DV, d.DV);
            forward_results_free(&one);
        }
        forward_results_free(&all);
        decoding_destroy(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(the_batch_does_not_matter),
        cmocka_unit_test(the_other_queries_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
