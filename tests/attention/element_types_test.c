/* Forward, and decoding, on bf16 and fp16: it is fp32's arithmetic on the same numbers, its result rounded once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"
#include "grid.h"

#include "base/number_format.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>

static attn_dtype type_of(uint64_t seed)
{
    return seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
}

/* O within what so much of every weight changes, and rounding O itself; the log-sum-exp within 1e-5. */
static void expect_near(const call *c, uint64_t seed, float of_weight, const forward_results *wide,
                        const forward_results *narrow)
{
    const attn_desc *d = &c->desc;
    int64_t rows = d->B * d->H * d->T;
    float largest = 0;
    for (int64_t b = 0; b < d->B; b++)
        for (int64_t h = 0; h < d->HK; h++)
            for (int64_t j = 0; j < d->S; j++)
                for (int64_t x = 0; x < d->DV; x++) {
                    float v = ((const float *)d->v.data)[b * d->v.batch + h * d->v.head + j * d->v.row + x];
                    if (isfinite(v)) largest = fmaxf(largest, fabsf(v));
                }
    const float weights = of_weight * largest / (1 - d->dropout) + 0x1p-24f;
    for (int64_t n = 0; n < rows * d->DV; n++)
        if (!(isnan(wide->o[n]) && isnan(narrow->o[n])) && wide->o[n] != narrow->o[n] &&
            !(fabsf(wide->o[n] - narrow->o[n]) <= weights + 0x1p-7f * fabsf(wide->o[n])))
            fail_msg("seed %llu: o[%lld] = %g, of fp32 products %g", (unsigned long long)seed, (long long)n,
                     (double)narrow->o[n], (double)wide->o[n]);
    for (int64_t n = 0; n < rows; n++)
        if (!(isnan(wide->lse[n]) && isnan(narrow->lse[n])) && wide->lse[n] != narrow->lse[n] &&
            !(fabsf(wide->lse[n] - narrow->lse[n]) <= 1e-5f * (1 + fabsf(wide->lse[n]))))
            fail_msg("seed %llu: lse[%lld] = %.9g, of fp32 products %.9g", (unsigned long long)seed, (long long)n,
                     (double)narrow->lse[n], (double)wide->lse[n]);
}

/* Whether forward knows a kernel for the fewest queries of this call. */
static bool may_go_few(const call_options *o)
{
    return !(o->additive || o->score_function || o->dropout > 0);
}

/* On a CPU that does: but for the fewest queries with what their kernel does without. */
static bool multiplies_bf16(const call_options *o)
{
    return o->type == ATTN_DTYPE_BF16 && kernels_table()->forward_pairs.step &&
           (o->T > FORWARD_ROW_QUERIES || may_go_few(o));
}

/* A query that shares its keys with none goes by another kernel in fp32, which sums in another order. */
static bool sums_in_another_order(const call_options *o)
{
    return o->T == 1 && o->H == o->HK && may_go_few(o);
}

/* Any options, on one thread and on as many as the call says: O has the bits of fp32's, rounded, the log-sum-exp all of
 * them; but where the CPU multiplies bf16 itself. */
static void results_are_fp32_s_rounded(void **state)
{
    (void)state;
    const grid_range seeds = grid_seeds(4000, 60);
    for (uint64_t seed = seeds.first; seed < seeds.last; seed++) {
        call_options o = call_random_options(seed);
        o.type = type_of(seed);
        if (seed % 5 == 0) o.T = 1 + o.T % 5; /* few queries have a kernel of their own */
        call *c = call_create(&o, seed);
        int64_t rows = c->desc.B * c->desc.H * c->desc.T, count = rows * c->desc.DV;
        attn_desc d = call_in_type(c);
        forward_results wide = forward_call(&c->desc, seed), narrow = forward_call(&d, seed);
        for (int64_t n = 0; n < count; n++) wide.o[n] = round_to_type(o.type, wide.o[n]);
        if (multiplies_bf16(&o)) {
            expect_near(c, seed, 0x1.1p-9f, &wide, &narrow);
        } else if (sums_in_another_order(&o)) {
            expect_near(c, seed, 0x1p-20f, &wide, &narrow);
        } else {
            expect_same_bits("o", seed, wide.o, narrow.o, count);
            expect_same_bits("lse", seed, wide.lse, narrow.lse, rows);
        }
        d.parallel.threads = 1;
        forward_results one = forward_call(&d, seed + 1);
        expect_same_bits("o, one thread", seed, one.o, narrow.o, count);
        forward_results_free(&wide);
        forward_results_free(&narrow);
        forward_results_free(&one);
        call_destroy(c);
    }
}

/* Three sequences packed in arrays of (rows, H, D): each as it is alone. */
static void packed_sequences_are_found(void **state)
{
    (void)state;
    const int64_t starts[] = {1, 20, 20, 47};
    for (int t = 0; t < 2; t++) {
        call_options o = {.B = 1, .H = 4, .HK = 2, .T = 50, .S = 50, .D = 24, .DV = 40, .sigma = 1, .threads = 2};
        o.type = type_of((uint64_t)t);
        call *c = call_create(&o, 4200);
        attn_desc d = call_in_type(c), one = d;
        uint16_t *together = calloc((size_t)(o.H * o.T * o.DV), sizeof *together);
        uint16_t *alone = calloc((size_t)(o.H * o.T * o.DV), sizeof *alone);
        static _Alignas(ATTN_ALIGNMENT) unsigned char workspace[1 << 22];
        d.B = 3, d.query_starts = d.key_starts = starts;
        d.o = (attn_output){together, 0, o.DV, o.H * o.DV};
        assert_int_equal(attn_forward(&d, workspace, sizeof workspace), ATTN_OK);
        for (int b = 0; b < 3; b++) {
            int64_t first = starts[b];
            one.T = one.S = starts[b + 1] - first;
            one.q.data = (const uint16_t *)d.q.data + first * d.q.row;
            one.k.data = (const uint16_t *)d.k.data + first * d.k.row;
            one.v.data = (const uint16_t *)d.v.data + first * d.v.row;
            one.o = d.o;
            one.o.data = alone + first * d.o.row;
            assert_int_equal(attn_forward(&one, workspace, sizeof workspace), ATTN_OK);
        }
        assert_memory_equal(together, alone, (size_t)(o.H * o.T * o.DV) * sizeof *alone);
        free(together);
        free(alone);
        call_destroy(c);
    }
}

/* Keys and values that are NaN from the 21st on reach no row of a causal call before the 21st, and all from there on.
 */
static void what_is_masked_may_hold_anything(void **state)
{
    (void)state;
    enum { ROWS = 40, FIRST = 21, WIDE = 19 };
    for (int t = 0; t < 2; t++) {
        call_options o = {
            .B = 1, .H = 1, .HK = 1, .T = ROWS, .S = ROWS, .D = WIDE, .DV = WIDE, .sigma = 1, .threads = 1};
        o.type = type_of((uint64_t)t), o.causal = true;
        call *c = call_create(&o, 4400);
        c->desc.query_offset = 0;
        attn_desc d = call_in_type(c);
        forward_results clean = forward_call(&d, 4400);
        const attn_view *views[] = {&d.v, &d.k};
        for (int n = 0; n < 2; n++) {
            for (int64_t j = FIRST; j < ROWS; j++)
                for (int64_t x = 0; x < WIDE; x++)
                    ((uint16_t *)(uintptr_t)views[n]->data)[j * views[n]->row + x] = 0x7fc0; /* a NaN in both */
            forward_results spoilt = forward_call(&d, 4400);
            expect_same_bits("o before it", 4400, clean.o, spoilt.o, FIRST * WIDE);
            for (int64_t x = FIRST * WIDE; x < ROWS * WIDE; x++) assert_true(isnan(spoilt.o[x]));
            forward_results_free(&spoilt);
        }
        forward_results_free(&clean);
        call_destroy(c);
    }
}

/* What anyone would write in the type: products summed in fp32, but weights and result rounded to it. */
static void plain_row(const call *c, int64_t h, int64_t i, float *weights, float *o)
{
    const attn_desc *d = &c->desc;
    int64_t kv = h / (d->H / d->HK), keys = d->causal ? i + 1 : d->S;
    const float *q = (const float *)d->q.data + h * d->q.head + i * d->q.row;
    const float *k = (const float *)d->k.data + kv * d->k.head, *v = (const float *)d->v.data + kv * d->v.head;
    float largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < keys; j++) {
        weights[j] = 0;
        for (int64_t x = 0; x < d->D; x++) weights[j] += q[x] * k[j * d->k.row + x];
        weights[j] *= d->scale;
        largest = fmaxf(largest, weights[j]);
    }
    for (int64_t j = 0; j < keys; j++) sum += weights[j] = expf(weights[j] - largest);
    for (int64_t x = 0; x < d->DV; x++) {
        o[x] = 0;
        for (int64_t j = 0; j < keys; j++)
            o[x] += round_to_type(c->options.type, weights[j] / sum) * v[j * d->v.row + x];
        o[x] = round_to_type(c->options.type, o[x]);
    }
}

/* Holds r, of the first T queries, to twice the plain way's error against fp64. */
static void expect_plain_error(const call *c, uint64_t seed, const char *name, int64_t T, const forward_results *r)
{
    const attn_desc *d = &c->desc;
    float weights[300], row[48];
    double ours = 0, plain = 0;
    for (int64_t n = 0; n < d->H * T; n++) {
        int64_t h = n / T, i = n % T;
        plain_row(c, h, i, weights, row);
        for (int64_t x = 0; x < d->DV; x++) {
            double want = c->reference.o[(h * d->T + i) * d->DV + x], got = fabs(r->o[n * d->DV + x] - want);
            if (!(got <= ours)) ours = got; /* a NaN counts */
            plain = fmax(plain, fabs(row[x] - want));
        }
    }
    print_message("%s, type %d, sigma %g: off by %.3g, the plain way by %.3g\n", name, (int)c->options.type,
                  c->options.sigma, ours, plain);
    if (!(ours <= 2 * plain))
        fail_msg("seed %llu, %s: off by %.3g, the plain way by %.3g", (unsigned long long)seed, name, ours, plain);
}

/* The first queries alone, their keys and values a cache. */
static forward_results decode_first(const attn_desc *all, uint64_t seed)
{
    attn_desc d = *all;
    attn_cache cache;
    const int64_t offset = 0;
    d.T = ATTN_DECODE_QUERIES, d.query_offsets = &offset, d.query_offset = 0;
    attn_cache_init(&cache, sizeof cache, 1, d.HK, d.S, d.D, d.DV, 0, 0);
    cache.dtype = d.dtype, cache.lengths = &d.S;
    cache.k = (attn_output){(void *)(uintptr_t)d.k.data, d.k.batch, d.k.head, d.k.row};
    cache.v = (attn_output){(void *)(uintptr_t)d.v.data, d.v.batch, d.v.head, d.v.row};
    return decode_call(&d, &cache, seed);
}

static void errs_no_more_than_twice_the_plain_way(void **state)
{
    (void)state;
    for (uint64_t seed = 4300; seed < 4308; seed++) {
        call_options o = {.B = 1, .H = 2, .HK = 1, .T = 200, .S = 300, .D = 64, .DV = 48, .sigma = 1, .threads = 1};
        o.type = type_of(seed);
        if (seed / 2 % 2) o.sigma = 5;
        if (seed / 4 % 2) o.D = 80, o.causal = true;
        call *c = call_create(&o, seed);
        c->desc.query_offset = 0;
        dense_destroy(&c->reference);
        c->reference = dense_create(&c->desc);
        dense_forward(&c->reference);
        attn_desc d = call_in_type(c);
        forward_results all = forward_call(&d, seed), few = decode_first(&d, seed);
        expect_plain_error(c, seed, "forward", o.T, &all);
        expect_plain_error(c, seed, "decoding", ATTN_DECODE_QUERIES, &few);
        forward_results_free(&all);
        forward_results_free(&few);
        call_destroy(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_fp32_s_rounded),
        cmocka_unit_test(packed_sequences_are_found),
        cmocka_unit_test(what_is_masked_may_hold_anything),
        cmocka_unit_test(errs_no_more_than_twice_the_plain_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
