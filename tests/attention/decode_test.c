/* attn_decode against the fp64 reference, from contiguous caches and from pages; its bits over threads, batches, pages
 * and queries; what it must not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"
#include "run_backwards.h"

#include "base/number_format.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t whole(uint64_t seed, uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed, n, 80).word[0] % (high - low + 1);
}

static int64_t outputs(const attn_desc *d)
{
    return d->B * d->H * d->T * d->DV;
}

/* A random call with few queries, its keys in a contiguous cache. The queries are the last, or anywhere. */
typedef struct decoding {
    call *call;
    attn_desc desc;
    attn_cache cache;
    int64_t page_size;
    void *owned[3];
} decoding;

static decoding decoding_create(uint64_t seed)
{
    call_options o = call_random_options(seed);
    o.additive = o.score_function = false, o.dropout = 0, o.lengths = true;
    if (seed >= 3400) o.blocks = o.mask_function = false; /* they count queries from the call's first */
    o.T = whole(seed, 0, 0, 2) ? whole(seed, 1, 1, 5) : whole(seed, 2, 1, ATTN_DECODE_QUERIES);
    if (whole(seed, 3, 0, 5) == 0) o.S = whole(seed, 4, 500, 1300), o.B = 1;
    if (whole(seed, 5, 0, 5) == 0) o.HK = 1, o.H = whole(seed, 6, 1, 9); /* more rows than go at once, too */
    if (seed >= 3700) o.type = seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
    decoding x = {.call = call_create(&o, seed)};
    attn_desc *d = &x.call->desc;
    bool last = !o.offsets;
    if (last) {
        for (int64_t b = 0; b < d->B; b++) x.call->offsets[b] = x.call->lengths[b] - d->T;
        d->query_offsets = x.call->offsets;
        dense_destroy(&x.call->reference);
        x.call->reference = dense_create(d);
        dense_forward(&x.call->reference);
    }
    attn_cache_init(&x.cache, sizeof x.cache, d->B, d->HK, d->S, d->D, d->DV, 0, 0);
    x.cache.k = (attn_output){(void *)d->k.data, d->k.batch, d->k.head, d->k.row};
    x.cache.v = (attn_output){(void *)d->v.data, d->v.batch, d->v.head, d->v.row};
    x.cache.lengths = x.call->lengths;
    x.desc = *d;
    x.desc.k.data = x.desc.v.data = NULL;
    x.desc.key_lengths = NULL;
    if (last) x.desc.query_offsets = NULL, x.desc.query_offset = 0;
    x.page_size = whole(seed, 7, 1, whole(seed, 8, 0, 1) ? 128 : 5);
    return x;
}

static void decoding_destroy(decoding *x)
{
    for (int n = 0; n < 3; n++) free(x->owned[n]);
    call_destroy(x->call);
}

static void shuffle(uint64_t seed, int32_t *pages, int64_t count)
{
    for (int64_t n = 0; n < count; n++) pages[n] = (int32_t)n;
    for (int64_t n = count - 1; n > 0; n--) {
        int64_t other = whole(seed, 1000 + (uint64_t)n, 0, n);
        int32_t page = pages[n];
        pages[n] = pages[other], pages[other] = page;
    }
}

/* Copies the rows of the keys that there are into pages, NaN around them. */
static float *fill_pages(const attn_output *rows, const attn_cache *to, int64_t columns)
{
    int64_t page = to->HK * to->page_size * columns, count = to->pages * page;
    float *data = malloc((size_t)count * sizeof *data + 1);
    for (int64_t n = 0; n < count; n++) data[n] = NAN;
    for (int64_t b = 0; b < to->B; b++)
        for (int64_t h = 0; h < to->HK; h++)
            for (int64_t j = 0; j < to->lengths[b]; j++)
                memcpy(data + to->page_table[b * to->table_row + j / to->page_size] * page +
                           (h * to->page_size + j % to->page_size) * columns,
                       (const float *)rows->data + b * rows->batch + h * rows->head + j * rows->row,
                       (size_t)columns * sizeof *data);
    return data;
}

/* The same keys in pages, in no order; entries of the page table that are not used are none. */
static attn_cache in_pages(decoding *x, uint64_t seed)
{
    const attn_cache *c = &x->cache;
    attn_cache p;
    int64_t each = (c->S + x->page_size - 1) / x->page_size, pages = c->B * each + 2;
    attn_cache_init(&p, sizeof p, c->B, c->HK, c->S, c->D, c->DV, x->page_size, pages);
    p.lengths = c->lengths;
    int32_t *table = malloc((size_t)pages * sizeof *table);
    shuffle(seed, table, pages);
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t n = 0; n < each; n++)
            if (n * x->page_size >= c->lengths[b]) table[b * each + n] = n % 2 ? -1 : INT32_MAX;
    p.page_table = x->owned[0] = table;
    p.k.data = x->owned[1] = fill_pages(&c->k, &p, c->D);
    p.v.data = x->owned[2] = fill_pages(&c->v, &p, c->DV);
    return p;
}

static void expect_near(uint64_t seed, const char *what, int64_t n, double got, double want, double slack)
{
    if (isinf(want) ? got != want : !(fabs(got - want) <= slack))
        fail_msg("seed %llu: %s[%lld] is %.9g, expected %.9g", (unsigned long long)seed, what, (long long)n, got, want);
}

static void agrees_with_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 3000; seed < 3120; seed++) {
        decoding x = decoding_create(seed);
        const dense *reference = &x.call->reference;
        forward_results r = decode_call(&x.desc, &x.cache, seed);
        for (int64_t n = 0; n < outputs(&x.desc); n++) expect_near(seed, "o", n, r.o[n], reference->o[n], 2e-5);
        for (int64_t n = 0; n < x.desc.B * x.desc.H * x.desc.T; n++)
            expect_near(seed, "lse", n, r.lse[n], reference->lse[n], 1e-6 * (5 + fabs(reference->lse[n])));
        attn_cache pages = in_pages(&x, seed);
        forward_results p = decode_call(&x.desc, &pages, seed + 1);
        expect_same_bits("o from pages", seed, r.o, p.o, outputs(&x.desc));
        expect_same_bits("lse from pages", seed, r.lse, p.lse, x.desc.B * x.desc.H * x.desc.T);
        forward_results_free(&r);
        forward_results_free(&p);
        decoding_destroy(&x);
    }
}

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
            expect_same_bits("o, other threads", seed, one.o, r.o, outputs(&x.desc));
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
            expect_same_bits("a sequence alone", seed, all.o + b * outputs(&d), one.o, outputs(&d));
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
        shuffle(seed, table, pages);
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
        expect_same_bits("o of a 16-bit cache", seed, got.o, want.o, outputs(&x.desc));
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
        for (int64_t n = 0; n < outputs(&d); n++) want.o[n] = round_to_type(type, want.o[n]);
        expect_same_bits("o of 16-bit queries", seed, got.o, want.o, outputs(&d));
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
    shuffle(seed, table, pages);
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
    shuffle(seed, y.pages, pages);
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

/* An int8 cache against fp64 on the very numbers that it holds, to the error of an fp32 one; the same bits on any
 * number of threads. */
static void bytes_give_what_they_stand_for(void **state)
{
    (void)state;
    for (uint64_t seed = 3600; seed < 3660; seed++) {
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
        for (int64_t n = 0; n < outputs(&x.desc); n++) expect_near(seed, "o", n, r.o[n], reference.o[n], 2e-5);
        for (int64_t n = 0; n < d->B * d->H * d->T; n++)
            expect_near(seed, "lse", n, r.lse[n], reference.lse[n], 1e-6 * (5 + fabs(reference.lse[n])));
        expect_same_bits("o of bytes, other threads", seed, r.o, other.o, outputs(&x.desc));
        dense_destroy(&reference);
        forward_results_free(&r);
        forward_results_free(&other);
        bytes_cache_destroy(&y);
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
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(the_batch_does_not_matter),
        cmocka_unit_test(the_other_queries_do_not_matter),
        cmocka_unit_test(narrow_caches_give_the_bits_of_wide_ones),
        cmocka_unit_test(narrow_queries_give_rounded_results),
        cmocka_unit_test(bf16_products_are_near_and_always_the_same),
        cmocka_unit_test(bytes_give_what_they_stand_for),
        cmocka_unit_test(what_is_not_seen_is_not_read),
        cmocka_unit_test(nothing_gives_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
