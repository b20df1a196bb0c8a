#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"
#include "run_backwards.h"

#include <math.h>
#include <stdlib.h>

static int64_t outputs(const attn_desc *d)
{
    return d->B * d->H * d->T * d->DV;
}

/* Every third call is one on bf16. */
static call *create(call_options *o, uint64_t seed, attn_desc *d)
{
    o->type = seed % 3 ? ATTN_DTYPE_F32 : ATTN_DTYPE_BF16;
    call *c = call_create(o, seed);
    *d = o->type == ATTN_DTYPE_F32 ? c->desc : call_in_type(c);
    return c;
}

/* The calling thread runs the tasks last to first, as worker 0. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 2000; seed < 2060; seed++) {
        call_options o = call_random_options(seed);
        attn_desc d;
        call *c = create(&o, seed, &d);
        d.parallel = (attn_parallel){.threads = 1};
        forward_results one = forward_call(&d, seed);
        d.parallel.threads = 3;
        forward_results three = forward_call(&d, seed + 1);
        int runs = 0;
        d.parallel = (attn_parallel){.threads = 7, .run = run_backwards, .user = &runs};
        forward_results own = forward_call(&d, seed);
        expect_same_bits("o, 1 and 3 threads", seed, one.o, three.o, outputs(&c->desc));
        expect_same_bits("o, the caller's loop", seed, one.o, own.o, outputs(&c->desc));
        expect_same_bits("lse", seed, one.lse, three.lse, c->desc.B * c->desc.H * c->desc.T);
        assert_true(runs <= 1);
        forward_results_free(&one);
        forward_results_free(&three);
        forward_results_free(&own);
        call_destroy(c);
    }
}

/* Of one thread, which takes much together, and of 64, of which each takes its own. */
static void expect_same_bits_alone(attn_desc *d, uint64_t seed)
{
    d->parallel = (attn_parallel){.threads = 1};
    forward_results together = forward_call(d, seed);
    int runs = 0;
    d->parallel = (attn_parallel){.threads = 64, .run = run_backwards, .user = &runs};
    forward_results alone = forward_call(d, seed);
    expect_same_bits("o alone", seed, together.o, alone.o, outputs(d));
    expect_same_bits("lse alone", seed, together.lse, alone.lse, d->B * d->H * d->T);
    forward_results_free(&together);
    forward_results_free(&alone);
}

/* One thread takes blocks of queries together that share what is staged of the keys; of 64 each takes its own. */
static void blocks_taken_together_do_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 2400; seed < 2408; seed++) {
        call_options o = call_random_options(seed);
        o.B = 2, o.H = 2, o.HK = 1, o.additive = false;
        o.T = 270 + (int64_t)seed % 60, o.S = 200 + (int64_t)seed % 7 * 20;
        o.causal = seed % 2, o.blocks = seed % 4 > 1;
        o.type = seed % 3 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
        call *c = call_create(&o, seed);
        attn_desc d = call_in_type(c);
        expect_same_bits_alone(&d, seed);
        call_destroy(c);
    }
}

/* With few queries one thread takes heads that share their keys together; of 64 each takes its own. */
static void heads_taken_together_do_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 2500; seed < 2530; seed++) {
        call_options o = call_random_options(seed);
        o.B = 1 + (int64_t)seed % 2, o.H = 10, o.HK = 2, o.additive = o.score_function = false, o.dropout = 0;
        o.T = 1 + (int64_t)seed % 16, o.S = 1 + (int64_t)seed * 97 % 1300;
        attn_desc d;
        call *c = create(&o, seed, &d);
        expect_same_bits_alone(&d, seed);
        call_destroy(c);
    }
}

static attn_view sequence_of(attn_view view, int64_t b)
{
    if (view.data) view.data = (const float *)view.data + b * view.batch;
    return view;
}

/* Each sequence on its own, as it was in its batch. */
static void the_batch_does_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 2100; seed < 2160; seed++) {
        call_options o = call_random_options(seed);
        o.B = 3;
        call *c = call_create(&o, seed);
        forward_results all = forward_call(&c->desc, seed);
        for (int64_t b = 0; b < o.B; b++) {
            attn_desc d = c->desc;
            d.B = 1;
            d.q = sequence_of(d.q, b);
            d.k = sequence_of(d.k, b);
            d.v = sequence_of(d.v, b);
            if (d.mask.data) d.mask.data = (const char *)d.mask.data + b * d.mask.batch;
            if (d.bias.data) d.bias.data = (const float *)d.bias.data + b * d.bias.batch;
            if (d.key_lengths) d.key_lengths += b;
            if (d.query_offsets) d.query_offsets += b;
            d.dropout_keys += b;
            if (d.block_mask.starts) d.block_mask.starts += b * d.block_mask.batch;
            forward_results one = forward_call(&d, seed);
            expect_same_bits("a sequence alone", seed, all.o + b * outputs(&d), one.o, outputs(&d));
            forward_results_free(&one);
        }
        forward_results_free(&all);
        call_destroy(c);
    }
}

/* Keys beyond the length are as good as not there, whatever they hold. */
static void padding_does_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 2200; seed < 2260; seed++) {
        call_options o = call_random_options(seed);
        o.B = 1;
        o.lengths = true;
        attn_desc d;
        call *c = create(&o, seed, &d);
        forward_results padded = forward_call(&d, seed);
        d.S = c->lengths[0];
        d.key_lengths = NULL;
        forward_results cut = forward_call(&d, seed);
        expect_same_bits("a shorter S", seed, padded.o, cut.o, outputs(&d));
        forward_results_free(&padded);
        forward_results_free(&cut);
        call_destroy(c);
    }
}

/* Causal, window and blocks, said as a mask of bytes and as a bias. */
static void the_mask_s_form_does_not_matter(void **state)
{
    (void)state;
    for (uint64_t seed = 2300; seed < 2360; seed++) {
        call_options o = call_random_options(seed);
        o.mask = o.bias = false;
        o.causal = true;
        attn_desc d;
        call *c = create(&o, seed, &d);
        forward_results rules = forward_call(&d, seed);
        int64_t count = d.B * d.H * d.T * d.S;
        unsigned char *mask = malloc((size_t)count + 1);
        float *bias = malloc((size_t)count * sizeof *bias + 1);
        for (int64_t n = 0; n < count; n++) {
            mask[n] = c->reference.keep[n] != 0;
            bias[n] = mask[n] ? 0 : -INFINITY;
        }
        d.causal = false;
        d.window_left = d.window_right = -1;
        if (d.T > ATTN_DECODE_QUERIES) d.key_lengths = NULL; /* of few queries a length may choose the kernel */
        d.block_mask.starts = NULL;
        d.mask_function = NULL;
        attn_mask layout = {NULL, d.H * d.T * d.S, d.T * d.S, d.S, 1};
        d.mask = layout;
        d.mask.data = mask;
        forward_results masked = forward_call(&d, seed);
        d.mask.data = NULL;
        d.bias = layout;
        d.bias.data = bias;
        forward_results biased = forward_call(&d, seed);
        expect_same_bits("a mask", seed, rules.o, masked.o, outputs(&d));
        expect_same_bits("a bias", seed, rules.o, biased.o, outputs(&d));
        forward_results_free(&rules);
        forward_results_free(&masked);
        forward_results_free(&biased);
        free(mask);
        free(bias);
        call_destroy(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_matter),           cmocka_unit_test(blocks_taken_together_do_not_matter),
        cmocka_unit_test(the_batch_does_not_matter),       cmocka_unit_test(padding_does_not_matter),
        cmocka_unit_test(the_mask_s_form_does_not_matter), cmocka_unit_test(heads_taken_together_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
