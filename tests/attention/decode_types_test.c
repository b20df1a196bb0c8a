/* attn_decode with caches and queries of other types than fp32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drawn_decoding.h"

#include "base/number_format.h"

#include <math.h>
#include <stdlib.h>

static uint16_t to_half(attn_dtype type, float x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_of_float(x) : fp16_of_float(x);
}

static float from_half(attn_dtype type, uint16_t x)
{
    return type == ATTN_DTYPE_BF16 ? bf16_to_float(x) : fp16_to_float(x);
}

/* Appends the keys of a contiguous fp32 cache, all at once, to an empty one of another type and page size. */
static void copy_keys(const attn_cache *from, attn_cache *to)
{
    const attn_view k = {from->k.data, from->k.batch, from->k.head, from->k.row};
    const attn_view v = {from->v.data, from->v.batch, from->v.head, from->v.row};
    attn_cache all = *to;
    int64_t lengths[CALL_SEQUENCES];
    for (int64_t b = 0; b < to->B; b++) lengths[b] = to->S;
    all.lengths = lengths;
    if (attn_append(&all, to->S, &k, &v, NULL, NULL)) fail_msg("%s", attn_error());
}

/* A 16-bit cache, in pages, gives the bits of an fp32 one that holds the same numbers. */
static void narrow_caches_give_the_bits_of_wide_ones(void **state)
{
    (void)state;
    for (uint64_t seed = 3500; seed < 3560; seed++) {
        decoding x = decoding_create(seed);
        const attn_dtype type = seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
        attn_cache c = x.cache, narrow, wide;
        int64_t each = (c.S + x.page_size - 1) / x.page_size, pages = c.B * each;
        attn_cache_init(&narrow, sizeof narrow, c.B, c.HK, c.S, c.D, c.DV, x.page_size, pages);
        int32_t *table = x.owned[0] = malloc((size_t)pages * sizeof *table + 1);
        shuffle_pages(seed, table, pages);
        size_t k_count = (size_t)(pages * narrow.k.batch), v_count = (size_t)(pages * narrow.v.batch);
        uint16_t *k = calloc(k_count + 1, sizeof *k), *v = calloc(v_count + 1, sizeof *v);
        float *wide_k = malloc((k_count + 1) * sizeof *wide_k), *wide_v = malloc((v_count + 1) * sizeof *wide_v);
        narrow.dtype = type, narrow.lengths = c.lengths, narrow.page_table = table;
        wide = narrow, wide.dtype = ATTN_DTYPE_F32, wide.k.data = wide_k, wide.v.data = wide_v;
        narrow.k.data = k, narrow.v.data = v;
        copy_keys(&c, &wide);
        copy_keys(&c, &narrow);
        for (int64_t b = 0; b < c.B; b++) /* what was appended is there, rounded */
            for (int64_t j = 0; j < c.S && c.D; j++) {
                int64_t at = table[b * each + j / x.page_size] * narrow.k.batch + j % x.page_size * narrow.k.row;
                assert_int_equal(k[at], to_half(type, ((float *)c.k.data)[b * c.k.batch + j * c.k.row]));
            }
        for (size_t n = 0; n < k_count; n++) wide_k[n] = from_half(type, k[n]);
        for (size_t n = 0; n < v_count; n++) wide_v[n] = from_half(type, v[n]);
        forward_results got = decode_call(&x.desc, &narrow, seed), want = decode_call(&x.desc, &wide, seed);
        expect_same_bits("o of a 16-bit cache", seed, got.o, want.o, decoding_outputs(&x.desc));
        expect_same_bits("lse of a 16-bit cache", seed, got.lse, want.lse, x.desc.B * x.desc.H * x.desc.T);
        forward_results_free(&got);
        forward_results_free(&want);
        void *all[] = {k, v, wide_k, wide_v};
        for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
        decoding_destroy(&x);
    }
}

/* Queries and results of 16 bits beside a cache of fp32: fp32's arithmetic on the same numbers, O rounded once; zeros
 * where there are no keys. */
static void narrow_queries_give_rounded_results(void **state)
{
    (void)state;
    for (uint64_t seed = 3700; seed < 3760; seed++) {
        decoding x = decoding_create(seed);
        const attn_dtype type = x.call->options.type;
        attn_desc d = x.desc;
        d.dtype = type, d.q = call_in_type(x.call).q;
        if (seed % 10 == 0)
            for (int64_t b = 0; b < d.B; b++) x.call->lengths[b] = 0;
        forward_results want = decode_call(&x.desc, &x.cache, seed), got = decode_call(&d, &x.cache, seed);
        for (int64_t n = 0; n < decoding_outputs(&d); n++) want.o[n] = round_to_type(type, want.o[n]);
        expect_same_bits("o of 16-bit queries", seed, got.o, want.o, decoding_outputs(&d));
        expect_same_bits("lse of 16-bit queries", seed, got.lse, want.lse, d.B * d.H * d.T);
        forward_results_free(&want);
        forward_results_free(&got);
        decoding_destroy(&x);
    }
}

/* The same numbers as decoding_create's in a bf16 cache of pages of this size. */
static attn_cache bf16_pages(const decoding *x, uint64_t seed, int64_t page_size, void *owned[3])
{
    const attn_cache *from = &x->cache;
    attn_cache c;
    int64_t each = (from->S + page_size - 1) / page_size, pages = from->B * each;
    attn_cache_init(&c, sizeof c, from->B, from->HK, from->S, from->D, from->DV, page_size, pages);
    int32_t *table = owned[0] = malloc((size_t)pages * sizeof *table + 1);
    shuffle_pages(seed, table, pages);
    c.dtype = ATTN_DTYPE_BF16, c.lengths = from->lengths, c.page_table = table;
    c.k.data = owned[1] = malloc((size_t)(pages * c.k.batch) * 2 + 2);
    c.v.data = owned[2] = malloc((size_t)(pages * c.v.batch) * 2 + 2);
    copy_keys(from, &c);
    return c;
}

static float largest_value(const decoding *x)
{
    float largest = 0;
    const attn_cache *c = &x->cache;
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t h = 0; h < c->HK; h++)
            for (int64_t j = 0; j < c->S; j++)
                for (int64_t n = 0; n < c->DV; n++) {
                    float v = ((const float *)c->v.data)[b * c->v.batch + h * c->v.head + j * c->v.row + n];
                    largest = fmaxf(largest, fabsf(v)); /* but a NaN */
                }
    return largest;
}

/* Queries and cache of bf16, whose products a CPU may have: within what rounding every weight, and O, changes; the bits
 * whatever the pages, the threads and the other queries. */
static void bf16_products_are_near_and_always_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 3701; seed < 3800; seed += 2) {
        decoding x = decoding_create(seed);
        attn_desc d = x.desc;
        void *owned[6];
        attn_cache c = bf16_pages(&x, seed, x.page_size, owned), other = bf16_pages(&x, seed + 1, 37, owned + 3);
        const int64_t rows = d.B * d.H * d.T;
        d.dtype = ATTN_DTYPE_BF16, d.q = call_in_type(x.call).q;
        forward_results want = decode_call(&x.desc, &x.cache, seed), got = decode_call(&d, &c, seed);
        const double weights = 0x1.1p-8 * largest_value(&x);
        for (int64_t n = 0; n < rows * d.DV; n++)
            expect_near(seed, "o of bf16", n, got.o[n], want.o[n], weights + 0x1p-7 * fabs(want.o[n]));
        for (int64_t n = 0; n < rows; n++)
            expect_near(seed, "lse of bf16", n, got.lse[n], want.lse[n], 1e-5 * (1 + fabs(want.lse[n])));
        d.parallel.threads = 3;
        forward_results again = decode_call(&d, &other, seed);
        expect_same_bits("o of bf16, other threads and pages", seed, got.o, again.o, rows * d.DV);
        expect_same_bits("lse of bf16, other threads and pages", seed, got.lse, again.lse, rows);
        forward_results_free(&again);
        for (int64_t i = 0; i < d.T && !d.mask.data && !d.bias.data && !d.block_mask.starts; i++) {
            attn_desc one = d;
            int64_t offsets[CALL_SEQUENCES];
            for (int64_t b = 0; b < d.B; b++)
                offsets[b] = i + (d.query_offsets ? d.query_offsets[b] : c.lengths[b] - d.T);
            one.query_offsets = offsets, one.T = 1, one.q.data = (const uint16_t *)d.q.data + i * d.q.row;
            forward_results alone = decode_call(&one, &c, seed);
            for (int64_t row = 0; row < d.B * d.H; row++)
                expect_same_bits("a bf16 query alone", seed, got.o + (row * d.T + i) * d.DV, alone.o + row * d.DV,
                                 d.DV);
            forward_results_free(&alone);
        }
        forward_results_free(&want);
        forward_results_free(&got);
        for (int n = 0; n < 6; n++) free(owned[n]);
        decoding_destroy(&x);
    }
}

/* An int8 cache of these numbers in pages, and what it holds as fp32 rows without pages. */
typedef struct bytes_cache {
    attn_cache cache;
    int8_t *k, *v;
    float *k_scales, *v_scales, *wide_k, *wide_v;
    int32_t *pages;
} bytes_cache;

static float *widened(const attn_cache *c, const attn_output *rows, const attn_output *scales, int64_t columns)
{
    float *wide = malloc((size_t)(c->B * c->HK * c->S * columns + 1) * sizeof *wide), *x = wide;
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t h = 0; h < c->HK; h++)
            for (int64_t j = 0; j < c->S; j++)
                for (int64_t n = 0; n < columns; n++) {
                    int64_t page = c->page_table[b * c->table_row + j / c->page_size], row = j % c->page_size;
                    int64_t at = page * rows->batch + h * rows->head + row * rows->row;
                    int64_t scale = page * scales->batch + h * scales->head + row * scales->row;
                    *x++ = ((const float *)scales->data)[scale] * ((const int8_t *)rows->data)[at + n];
                }
    return wide;
}

static bytes_cache bytes_cache_create(const decoding *x, uint64_t seed)
{
    const attn_cache *from = &x->cache;
    bytes_cache y;
    attn_cache *c = &y.cache;
    int64_t each = (from->S + x->page_size - 1) / x->page_size, pages = from->B * each;
    attn_cache_init(c, sizeof *c, from->B, from->HK, from->S, from->D, from->DV, x->page_size, pages);
    c->dtype = ATTN_DTYPE_INT8, c->lengths = from->lengths;
    c->page_table = y.pages = malloc((size_t)pages * sizeof *y.pages + 1);
    shuffle_pages(seed, y.pages, pages);
    size_t scales = (size_t)(pages * c->k_scales.batch) * sizeof(float) + 1;
    c->k.data = y.k = malloc((size_t)(pages * c->k.batch) + 1),
    c->v.data = y.v = malloc((size_t)(pages * c->v.batch) + 1);
    c->k_scales.data = y.k_scales = malloc(scales), c->v_scales.data = y.v_scales = malloc(scales);
    copy_keys(from, c);
    y.wide_k = widened(c, &c->k, &c->k_scales, c->D), y.wide_v = widened(c, &c->v, &c->v_scales, c->DV);
    return y;
}

static void bytes_cache_destroy(bytes_cache *y)
{
    void *all[] = {y->k, y->v, y->k_scales, y->v_scales, y->wide_k, y->wide_v, y->pages};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
}

/* By a comparison: reductions of fmaxf stop GCC 12 for aarch64. */
static double larger(double a, double b)
{
    return b > a ? b : a;
}

/* What a score changes at most where each number of a query moves by 2^-15 of the query's largest. */
static double moved_score(const attn_desc *d, const float *k)
{
    double largest = 0, most = 0;
    for (int64_t n = 0; n < d->B * d->H * d->T; n++) {
        const int64_t b = n / d->T / d->H, head = n / d->T % d->H, row = n % d->T;
        const float *q = (const float *)d->q.data + b * d->q.batch + head * d->q.head + row * d->q.row;
        for (int64_t c = 0; c < d->D; c++) largest = larger(largest, fabs(q[c]));
    }
    for (int64_t n = 0; n < d->B * d->HK * d->S; n++) {
        double sum = 0;
        for (int64_t c = 0; c < d->D; c++) sum += fabs(k[n * d->D + c]);
        most = larger(most, sum);
    }
    return fabs(d->scale) * 0x1p-15 * largest * most;
}

/* Queries of bf16 on an int8 cache, whose products a CPU may have: within what rounding every weight, and O, changes,
 * and the log-sum-exp, what sixteen bits for each number of a query do. */
static void expect_near_in_bf16(const decoding *x, const bytes_cache *y, const dense *reference, uint64_t seed)
{
    if (x->call->options.type != ATTN_DTYPE_BF16) return;
    attn_desc d = x->desc;
    d.dtype = ATTN_DTYPE_BF16, d.q = call_in_type(x->call).q;
    d.parallel.threads = 1;
    forward_results r = decode_call(&d, &y->cache, seed);
    d.parallel.threads = 3;
    forward_results other = decode_call(&d, &y->cache, seed);
    const double moved = moved_score(&x->call->desc, y->wide_k);
    double largest = 0;
    for (int64_t n = 0; n < d.B * d.HK * d.S * d.DV; n++) largest = larger(largest, fabs(y->wide_v[n]));
    for (int64_t n = 0; n < decoding_outputs(&d); n++)
        expect_near(seed, "o of bf16 and bytes", n, r.o[n], reference->o[n],
                    0x1.1p-8 * largest + 0x1p-7 * fabs(reference->o[n]));
    for (int64_t n = 0; n < d.B * d.H * d.T; n++)
        expect_near(seed, "lse of bf16 and bytes", n, r.lse[n], reference->lse[n],
                    1e-5 * (1 + fabs(reference->lse[n])) + moved);
    expect_same_bits("o of bf16 and bytes, other threads", seed, r.o, other.o, decoding_outputs(&d));
    forward_results_free(&r);
    forward_results_free(&other);
}

/* An int8 cache against fp64 on the very numbers that it holds, to the error of an fp32 one; the same bits on any
 * number of threads. */
static void bytes_give_what_they_stand_for(void **state)
{
    (void)state;
    for (uint64_t seed = 3660; seed < 3740; seed++) {
        decoding x = decoding_create(seed);
        bytes_cache y = bytes_cache_create(&x, seed);
        attn_desc *d = &x.call->desc;
        d->k = (attn_view){y.wide_k, d->HK * d->S * d->D, d->S * d->D, d->D};
        d->v = (attn_view){y.wide_v, d->HK * d->S * d->DV, d->S * d->DV, d->DV};
        dense reference = dense_create(d);
        dense_forward(&reference);
        x.desc.parallel.threads = 1;
        forward_results r = decode_call(&x.desc, &y.cache, seed);
        x.desc.parallel.threads = 3;
        forward_results other = decode_call(&x.desc, &y.cache, seed);
        for (int64_t n = 0; n < decoding_outputs(&x.desc); n++) expect_near(seed, "o", n, r.o[n], reference.o[n], 2e-5);
        for (int64_t n = 0; n < d->B * d->H * d->T; n++)
            expect_near(seed, "lse", n, r.lse[n], reference.lse[n], 1e-6 * (5 + fabs(reference.lse[n])));
        expect_same_bits("o of bytes, other threads", seed, r.o, other.o, decoding_outputs(&x.desc));
        expect_near_in_bf16(&x, &y, &reference, seed);
        dense_destroy(&reference);
        forward_results_free(&r);
        forward_results_free(&other);
        bytes_cache_destroy(&y);
        decoding_destroy(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrow_caches_give_the_bits_of_wide_ones),
        cmocka_unit_test(narrow_queries_give_rounded_results),
        cmocka_unit_test(bf16_products_are_near_and_always_the_same),
        cmocka_unit_test(bytes_give_what_they_stand_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
