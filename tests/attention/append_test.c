/* attn_append against the formula in fp64, in caches of any layout and type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rotary_formula.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A cache whose rows all hold what they held before, and new rows for it. */
typedef struct appending {
    attn_cache cache;
    rotary_table table;
    int64_t T, lengths[3];
    int32_t *pages;
    float *k, *v, *new_k, *new_v;
    attn_view k_view, v_view;
    int64_t k_count, v_count, new_k_count, new_v_count;
} appending;

/* In place: the cache points at its lengths. */
static void appending_create(appending *x, uint64_t seed)
{
    *x = (appending){.T = drawn_whole(seed, 0, 0, 20)};
    int64_t B = drawn_whole(seed, 1, 1, 3), HK = drawn_whole(seed, 2, 1, 3), S = drawn_whole(seed, 3, 20, 80),
            D = drawn_whole(seed, 4, 0, 140);
    int64_t DV = drawn_whole(seed, 5, 0, 70), size = drawn_whole(seed, 6, 0, 1) ? drawn_whole(seed, 7, 1, 20) : 0,
            each = 0;
    if (size) each = (S + size - 1) / size;
    attn_cache_init(&x->cache, sizeof x->cache, B, HK, S, D, DV, size, B * each);
    for (int64_t b = 0; b < B; b++) x->lengths[b] = drawn_whole(seed, 20 + (uint64_t)b, 0, S);
    x->cache.lengths = x->lengths;
    x->pages = malloc((size_t)(B * each) * sizeof *x->pages + 1);
    for (int64_t n = 0; n < B * each; n++) x->pages[n] = (int32_t)(B * each - 1 - n);
    if (size) x->cache.page_table = x->pages;
    x->k_count = (size ? B * each : B) * x->cache.k.batch, x->v_count = (size ? B * each : B) * x->cache.v.batch;
    x->cache.k.data = x->k = drawn_rows(seed, 71, x->k_count);
    x->cache.v.data = x->v = drawn_rows(seed, 72, x->v_count);
    int64_t wide = D + drawn_whole(seed, 8, 0, 3), tall = DV + drawn_whole(seed, 9, 0, 3);
    x->new_k_count = B * HK * x->T * wide, x->new_v_count = B * HK * x->T * tall;
    x->new_k = drawn_rows(seed, 73, x->new_k_count), x->new_v = drawn_rows(seed, 74, x->new_v_count);
    x->k_view = (attn_view){x->new_k, x->T * HK * wide, wide, HK * wide};
    x->v_view = (attn_view){x->new_v, HK * x->T * tall, x->T * tall, tall};
    x->table = rotary_table_create(drawn_whole(seed, 10, 0, 1), drawn_whole(seed, 11, 0, D / 2) * 2);
}

static void appending_destroy(appending *x)
{
    rotary_table_destroy(&x->table);
    void *all[] = {x->pages, x->k, x->v, x->new_k, x->new_v};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
}

static int64_t place(const appending *x, const attn_output *rows, int64_t b, int64_t h, int64_t j)
{
    const attn_cache *c = &x->cache;
    if (!c->page_size) return b * rows->batch + h * rows->head + j * rows->row;
    return x->pages[b * c->table_row + j / c->page_size] * rows->batch + h * rows->head + j % c->page_size * rows->row;
}

/* The new rows are there, turned; `before` with them put in is what the cache holds now. */
static void check_rows(const appending *x, uint64_t seed, bool rotate, float *before_k, float *before_v)
{
    const attn_cache *c = &x->cache;
    for (int64_t b = 0; b < c->B; b++)
        for (int64_t h = 0; h < c->HK; h++)
            for (int64_t i = 0; i < x->T; i++) {
                int64_t j = c->lengths[b] - x->T + i;
                if (j < 0) continue;
                int64_t at = place(x, &c->k, b, h, j), value = place(x, &c->v, b, h, j);
                const float *k = x->new_k + b * x->k_view.batch + h * x->k_view.head + i * x->k_view.row;
                for (int64_t d = 0; d < c->D; d++) {
                    double want = rotary_turned(x->table.rotary.kind, rotate ? x->table.rotary.R : 0, j, k, d);
                    expect_turned(seed, "k", x->k[at + d], want);
                    before_k[at + d] = x->k[at + d];
                }
                memcpy(before_v + value, x->new_v + b * x->v_view.batch + h * x->v_view.head + i * x->v_view.row,
                       (size_t)c->DV * sizeof(float));
            }
    assert_memory_equal(before_k, x->k, (size_t)x->k_count * sizeof(float));
    assert_memory_equal(before_v, x->v, (size_t)x->v_count * sizeof(float));
}

static void rows_go_where_they_belong(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        appending x;
        appending_create(&x, seed);
        bool rotate = seed % 3;
        const attn_parallel parallel = {.threads = (int)(seed % 4)};
        float *k = drawn_rows(seed, 71, x.k_count), *v = drawn_rows(seed, 72, x.v_count);
        if (attn_append(&x.cache, x.T, &x.k_view, &x.v_view, rotate ? &x.table.rotary : NULL,
                        seed % 4 ? &parallel : NULL))
            fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
        check_rows(&x, seed, rotate, k, v);
        free(k);
        free(v);
        appending_destroy(&x);
    }
}

/* Rows in bytes: each number within half a step of its own, by a scale of the row's largest. */
static void check_bytes(const appending *x, uint64_t seed, bool rotate)
{
    const attn_cache *c = &x->cache;
    for (int64_t row = 0; row < c->B * c->HK * x->T; row++) {
        int64_t b = row / x->T / c->HK, h = row / x->T % c->HK, i = row % x->T, j = c->lengths[b] - x->T + i;
        if (j < 0) continue;
        const float *k = x->new_k + b * x->k_view.batch + h * x->k_view.head + i * x->k_view.row;
        const int8_t *bytes = (const int8_t *)c->k.data + place(x, &c->k, b, h, j);
        const double scale = ((const float *)c->k_scales.data)[place(x, &c->k_scales, b, h, j)];
        double largest = 0;
        for (int64_t d = 0; d < c->D; d++) {
            double want = rotary_turned(x->table.rotary.kind, rotate ? x->table.rotary.R : 0, j, k, d);
            largest = fmax(largest, fabs(want));
            if (!(fabs(scale * bytes[d] - want) <= 0.501 * scale + 3e-7) || bytes[d] == -128)
                fail_msg("seed %llu: %.9g times %d, expected %.9g", (unsigned long long)seed, scale, bytes[d], want);
        }
        if (c->D) expect_turned(seed, "scale", scale, largest / 127);
        const float *v = x->new_v + b * x->v_view.batch + h * x->v_view.head + i * x->v_view.row;
        bytes = (const int8_t *)c->v.data + place(x, &c->v, b, h, j);
        const double v_scale = c->DV ? ((const float *)c->v_scales.data)[place(x, &c->v_scales, b, h, j)] : 0;
        for (int64_t d = 0; d < c->DV; d++)
            if (!(fabs(v_scale * bytes[d] - v[d]) <= 0.501 * v_scale))
                fail_msg("seed %llu: %.9g times %d, expected %.9g", (unsigned long long)seed, v_scale, bytes[d], v[d]);
    }
}

static void rows_become_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 260; seed++) {
        appending x;
        appending_create(&x, seed);
        attn_cache *c = &x.cache;
        int64_t batches = c->page_size ? c->pages : c->B;
        float *scales = calloc((size_t)(2 * batches * c->k_scales.batch) + 1, sizeof *scales);
        c->dtype = ATTN_DTYPE_INT8, c->k_scales.data = scales, c->v_scales.data = scales + batches * c->k_scales.batch;
        if (attn_append(c, x.T, &x.k_view, &x.v_view, seed % 3 ? &x.table.rotary : NULL, NULL))
            fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
        check_bytes(&x, seed, seed % 3);
        free(scales);
        appending_destroy(&x);
    }
}

/* Zeros, what is too small for a scale, the largest numbers, and what is none. */
static void rows_that_have_no_scale(void **state)
{
    (void)state;
    const float rows[6][2] = {{0, -0.0f}, {0x1p-140f, -0x1p-101f}, {3.4e38f, -3.4e38f},
                              {1, NAN},   {INFINITY, 1},           {-0x1p-100f, 0x1p-107f}};
    int8_t bytes[6][2];
    float scales[2][6];
    int64_t length = 6;
    attn_cache c;
    attn_cache_init(&c, sizeof c, 1, 1, 6, 2, 2, 0, 0);
    c.dtype = ATTN_DTYPE_INT8, c.lengths = &length, c.k.data = c.v.data = bytes;
    c.k_scales.data = scales[0], c.v_scales.data = scales[1];
    const attn_view x = {rows, 12, 12, 2};
    const attn_parallel one = {.threads = 1};
    if (attn_append(&c, 6, &x, &x, NULL, &one)) fail_msg("%s", attn_error());
    for (int n = 0; n < 2; n++) {
        assert_true(scales[n][0] == 0 && scales[n][1] == 0 && isnan(scales[n][3]) && isnan(scales[n][4]));
        assert_true(scales[n][2] == 3.4e38f / 127 && scales[n][5] == 0x1p-100f / 127);
    }
    const int8_t want[6][2] = {{0, 0}, {0, 0}, {127, -127}, {0, 0}, {0, 0}, {-127, 1}};
    assert_memory_equal(bytes, want, sizeof want);
}

/* All that a cache of any type holds, K, V and their scales. */
typedef struct held {
    unsigned char *bytes;
    size_t size;
} held;

/* x's rows in a cache of a type, as they are given in k and v. */
static held appended(appending *x, uint64_t seed, attn_dtype type, attn_dtype new_type, const void *k, const void *v)
{
    attn_cache c = x->cache;
    const size_t scales = (size_t)((c.page_size ? c.pages : c.B) * c.k_scales.batch);
    const size_t width = type == ATTN_DTYPE_INT8 ? 1 : type == ATTN_DTYPE_F32 ? 4 : 2;
    held h = {.size = 2 * scales * sizeof(float) + (size_t)(x->k_count + x->v_count) * width};
    h.bytes = memset(malloc(h.size + 1), 0x5a, h.size);
    c.dtype = type, c.new_dtype = new_type;
    if (type == ATTN_DTYPE_INT8) c.k_scales.data = h.bytes, c.v_scales.data = (float *)h.bytes + scales;
    c.k.data = h.bytes + 2 * scales * sizeof(float);
    c.v.data = (char *)c.k.data + (size_t)x->k_count * width;
    const attn_view k_view = {k, x->k_view.batch, x->k_view.head, x->k_view.row};
    const attn_view v_view = {v, x->v_view.batch, x->v_view.head, x->v_view.row};
    if (attn_append(&c, x->T, &k_view, &v_view, seed % 3 ? &x->table.rotary : NULL, NULL))
        fail_msg("seed %llu: %s", (unsigned long long)seed, attn_error());
    return h;
}

/* Narrow rows leave in a cache of each type the bits that the same numbers in fp32 leave. */
static void narrow_rows_are_kept_as_fp32_s(void **state)
{
    (void)state;
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_BF16, ATTN_DTYPE_FP16, ATTN_DTYPE_INT8};
    for (uint64_t seed = 260; seed < 300; seed++) {
        appending x;
        appending_create(&x, seed);
        const attn_dtype type = seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16, kept = types[seed / 2 % 4];
        uint16_t *k = narrowed_rows(type, x.new_k, x.new_k_count), *v = narrowed_rows(type, x.new_v, x.new_v_count);
        held want = appended(&x, seed, kept, ATTN_DTYPE_F32, x.new_k, x.new_v);
        held got = appended(&x, seed, kept, type, k, v);
        assert_memory_equal(got.bytes, want.bytes, want.size);
        void *all[] = {k, v, want.bytes, got.bytes};
        for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
        appending_destroy(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_bytes),
        cmocka_unit_test(rows_that_have_no_scale),
        cmocka_unit_test(narrow_rows_are_kept_as_fp32_s),
        cmocka_unit_test(rows_go_where_they_belong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
