/* attn_append and attn_rotate against the formulas in fp64, in caches of any layout; a decoder that goes token by token
 * against attention over the whole; what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forward_call.h"

#include "base/number_format.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BASE 10000.0
#define POSITIONS 300

static int64_t whole(uint64_t seed, uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed, n, 70).word[0] % (high - low + 1);
}

static float *uniform(uint64_t seed, uint64_t stream, int64_t count)
{
    float *x = malloc((size_t)count * sizeof *x + 1);
    for (int64_t n = 0; n < count; n++) x[n] = 2 * random_unit(random_philox(seed, (uint64_t)n, stream).word[0]) - 1;
    return x;
}

/* Element d of a row at position p, by the formula. */
static double turned(attn_rotary_kind kind, int64_t R, int64_t p, const float *x, int64_t d)
{
    if (d >= R) return x[d];
    bool halves = kind == ATTN_ROTARY_HALVES;
    int64_t n = halves ? d % (R / 2) : d / 2, first = halves ? n : 2 * n, second = halves ? n + R / 2 : 2 * n + 1;
    double a = (double)p * pow(BASE, -2.0 * (double)n / (double)R);
    return d == first ? x[first] * cos(a) - x[second] * sin(a) : x[first] * sin(a) + x[second] * cos(a);
}

static void expect_near(uint64_t seed, const char *what, double got, double want)
{
    if (!(fabs(got - want) <= 3e-7))
        fail_msg("seed %llu: %s %.9g, expected %.9g", (unsigned long long)seed, what, got, want);
}

typedef struct table {
    attn_rotary rotary;
    float *cosines, *sines;
} table;

static table table_create(attn_rotary_kind kind, int64_t R)
{
    table t = {.cosines = malloc((size_t)(POSITIONS * R) * sizeof(float) + 1),
               .sines = malloc((size_t)(POSITIONS * R) * sizeof(float) + 1)};
    if (attn_rotary_fill(t.cosines, t.sines, POSITIONS, R, BASE)) fail_msg("%s", attn_error());
    attn_rotary_init(&t.rotary, sizeof t.rotary, kind, POSITIONS, R, t.cosines, t.sines);
    return t;
}

static void table_destroy(table *t)
{
    free(t->cosines);
    free(t->sines);
}

/* A cache whose rows all hold what they held before, and new rows for it. */
typedef struct appending {
    attn_cache cache;
    table table;
    int64_t T, lengths[3];
    int32_t *pages;
    float *k, *v, *new_k, *new_v;
    attn_view k_view, v_view;
    int64_t k_count, v_count, new_k_count, new_v_count;
} appending;

/* In place: the cache points at its lengths. */
static void appending_create(appending *x, uint64_t seed)
{
    *x = (appending){.T = whole(seed, 0, 0, 20)};
    int64_t B = whole(seed, 1, 1, 3), HK = whole(seed, 2, 1, 3), S = whole(seed, 3, 20, 80), D = whole(seed, 4, 0, 140);
    int64_t DV = whole(seed, 5, 0, 70), size = whole(seed, 6, 0, 1) ? whole(seed, 7, 1, 20) : 0, each = 0;
    if (size) each = (S + size - 1) / size;
    attn_cache_init(&x->cache, sizeof x->cache, B, HK, S, D, DV, size, B * each);
    for (int64_t b = 0; b < B; b++) x->lengths[b] = whole(seed, 20 + (uint64_t)b, 0, S);
    x->cache.lengths = x->lengths;
    x->pages = malloc((size_t)(B * each) * sizeof *x->pages + 1);
    for (int64_t n = 0; n < B * each; n++) x->pages[n] = (int32_t)(B * each - 1 - n);
    if (size) x->cache.page_table = x->pages;
    x->k_count = (size ? B * each : B) * x->cache.k.batch, x->v_count = (size ? B * each : B) * x->cache.v.batch;
    x->cache.k.data = x->k = uniform(seed, 71, x->k_count);
    x->cache.v.data = x->v = uniform(seed, 72, x->v_count);
    int64_t wide = D + whole(seed, 8, 0, 3), tall = DV + whole(seed, 9, 0, 3);
    x->new_k_count = B * HK * x->T * wide, x->new_v_count = B * HK * x->T * tall;
    x->new_k = uniform(seed, 73, x->new_k_count), x->new_v = uniform(seed, 74, x->new_v_count);
    x->k_view = (attn_view){x->new_k, x->T * HK * wide, wide, HK * wide};
    x->v_view = (attn_view){x->new_v, HK * x->T * tall, x->T * tall, tall};
    x->table = table_create(whole(seed, 10, 0, 1), whole(seed, 11, 0, D / 2) * 2);
}

static void appending_destroy(appending *x)
{
    table_destroy(&x->table);
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
                    double want = turned(x->table.rotary.kind, rotate ? x->table.rotary.R : 0, j, k, d);
                    expect_near(seed, "k", x->k[at + d], want);
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
        float *k = uniform(seed, 71, x.k_count), *v = uniform(seed, 72, x.v_count);
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
            double want = turned(x->table.rotary.kind, rotate ? x->table.rotary.R : 0, j, k, d);
            largest = fmax(largest, fabs(want));
            if (!(fabs(scale * bytes[d] - want) <= 0.501 * scale + 3e-7) || bytes[d] == -128)
                fail_msg("seed %llu: %.9g times %d, expected %.9g", (unsigned long long)seed, scale, bytes[d], want);
        }
        if (c->D) expect_near(seed, "scale", scale, largest / 127);
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

/* The numbers as they are once they were of a narrow type. */
static uint16_t *narrowed(attn_dtype type, float *x, int64_t count)
{
    uint16_t *low = malloc((size_t)count * sizeof *low + 1);
    for (int64_t n = 0; n < count; n++) {
        low[n] = type == ATTN_DTYPE_BF16 ? bf16_of_float(x[n]) : fp16_of_float(x[n]);
        x[n] = type == ATTN_DTYPE_BF16 ? bf16_to_float(low[n]) : fp16_to_float(low[n]);
    }
    return low;
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
        uint16_t *k = narrowed(type, x.new_k, x.new_k_count), *v = narrowed(type, x.new_v, x.new_v_count);
        held want = appended(&x, seed, kept, ATTN_DTYPE_F32, x.new_k, x.new_v);
        held got = appended(&x, seed, kept, type, k, v);
        assert_memory_equal(got.bytes, want.bytes, want.size);
        void *all[] = {k, v, want.bytes, got.bytes};
        for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
        appending_destroy(&x);
    }
}

static void rotate(const attn_desc *d, const int64_t *lengths, const attn_rotary *rotary, const attn_output *y)
{
    if (attn_rotate(d, lengths, rotary, y)) fail_msg("%s", attn_error());
}

/* Queries at offsets, at a cache's end, and in place. */
static void queries_turn_to_their_positions(void **state)
{
    (void)state;
    for (uint64_t seed = 300; seed < 360; seed++) {
        attn_desc d;
        int64_t B = 2, H = 3, T = whole(seed, 0, 1, 9), D = whole(seed, 1, 1, 200);
        attn_desc_init(&d, sizeof d, B, H, 1, T, 0, D, 0);
        table t = table_create(whole(seed, 2, 0, 1), whole(seed, 3, 0, D / 2) * 2);
        const int64_t offsets[] = {17, -3}, lengths[] = {50, T - 1};
        float *q = uniform(seed, 75, B * H * T * D), *y = malloc((size_t)(B * H * T * D) * sizeof *y);
        d.q.data = q, d.query_offset = 100;
        if (seed % 3 == 1) d.query_offsets = offsets;
        const attn_output out = {y, d.q.batch, d.q.head, d.q.row};
        rotate(&d, seed % 3 == 2 ? lengths : NULL, &t.rotary, &out);
        for (int64_t n = 0; n < B * H * T * D; n++) {
            int64_t b = n / (H * T * D), i = n / D % T, p = 100 + i;
            if (seed % 3 == 1) p = offsets[b] + i;
            if (seed % 3 == 2) p = lengths[b] - T + i;
            expect_near(seed, "q", y[n], turned(t.rotary.kind, t.rotary.R, p < 0 ? 0 : p, q + n / D * D, n % D));
        }
        const attn_output in_place = {q, d.q.batch, d.q.head, d.q.row};
        rotate(&d, seed % 3 == 2 ? lengths : NULL, &t.rotary, &in_place);
        expect_same_bits("in place", seed, q, y, B * H * T * D);
        free(q);
        free(y);
        table_destroy(&t);
    }
}

/* Narrow queries get the bits of the same numbers in fp32, turned and rounded; in place, too. */
static void narrow_queries_turn_as_fp32_does(void **state)
{
    (void)state;
    for (uint64_t seed = 360; seed < 400; seed++) {
        attn_desc d;
        const int64_t B = 2, H = 2, T = whole(seed, 0, 1, 5), D = whole(seed, 1, 1, 300), count = B * H * T * D;
        const bool bf16 = seed % 2;
        attn_desc_init(&d, sizeof d, B, H, 1, T, 0, D, 0);
        table t = table_create(whole(seed, 2, 0, 1), whole(seed, 3, 0, D / 2) * 2);
        float *q = uniform(seed, 75, count), *y = malloc((size_t)count * sizeof *y);
        const attn_dtype type = seed % 2 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
        uint16_t *low = narrowed(type, q, count), *turned = malloc((size_t)count * sizeof *turned);
        d.q.data = q, d.query_offset = 100;
        const attn_output out = {y, d.q.batch, d.q.head, d.q.row}, narrow = {turned, out.batch, out.head, out.row};
        rotate(&d, NULL, &t.rotary, &out);
        d.q.data = low, d.dtype = bf16 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
        rotate(&d, NULL, &t.rotary, &narrow);
        for (int64_t n = 0; n < count; n++)
            assert_int_equal(turned[n], bf16 ? bf16_of_float(y[n]) : fp16_of_float(y[n]));
        rotate(&d, NULL, &t.rotary, &(attn_output){low, out.batch, out.head, out.row});
        assert_memory_equal(low, turned, (size_t)count * sizeof *low);
        free(q);
        free(y);
        free(low);
        free(turned);
        table_destroy(&t);
    }
}

enum { B = 2, H = 4, HK = 2, S = 24, D = 10, DV = 6, PAGE = 5, EACH = (S + PAGE - 1) / PAGE };

/* What a model computes: a token's query, key and value, drawn by sequence and place. */
typedef struct tokens {
    float q[B * S * H * D], k[B * S * HK * D], v[B * S * HK * DV]; /* (B, S, heads, columns) */
} tokens;

static tokens *tokens_create(void)
{
    tokens *t = malloc(sizeof *t);
    float *drawn = uniform(400, 76, (int64_t)(sizeof *t / sizeof(float)));
    memcpy(t, drawn, sizeof *t);
    free(drawn);
    return t;
}

/* Tokens `first` .. `last` - 1 of both sequences go through; their rows of O to o, (B, S, H, DV). */
static void step(attn_cache *c, const tokens *t, const attn_rotary *rotary, int64_t first, int64_t last,
                 int64_t *lengths, float *o)
{
    static _Alignas(ATTN_ALIGNMENT) unsigned char workspace[1 << 20];
    float q[B * S * H * D];
    attn_desc d;
    attn_desc_init(&d, sizeof d, B, H, HK, last - first, S, D, DV);
    lengths[0] = lengths[1] = last;
    c->lengths = lengths;
    const attn_view k = {t->k + first * HK * D, S * HK * D, D, HK * D};
    const attn_view v = {t->v + first * HK * DV, S * HK * DV, DV, HK * DV};
    if (attn_append(c, d.T, &k, &v, rotary, NULL)) fail_msg("%s", attn_error());
    d.q = (attn_view){t->q + first * H * D, S * H * D, D, H * D};
    const attn_output y = {q, H * d.T * D, d.T * D, D};
    rotate(&d, lengths, rotary, &y);
    d.q = (attn_view){q, y.batch, y.head, y.row};
    d.o = (attn_output){o + first * H * DV, S * H * DV, DV, H * DV};
    d.causal = true, d.parallel.threads = 1;
    if (attn_decode(&d, c, workspace, sizeof workspace)) fail_msg("%s", attn_error());
}

/* Token by token into pages, several at once into rows, and attn_forward on all of them. */
static void a_decoder_s_steps_give_the_whole(void **state)
{
    (void)state;
    tokens *t = tokens_create();
    float k[B * HK * S * D], v[B * HK * S * DV], page_k[B * EACH * HK * PAGE * D], page_v[B * EACH * HK * PAGE * DV];
    float one[B * S * H * DV], some[B * S * H * DV], all[B * S * H * DV], turned_q[B * S * H * D],
        turned_k[B * S * HK * D];
    int32_t pages[B * EACH];
    int64_t lengths[B];
    for (int n = 0; n < B * EACH; n++) pages[n] = n * 7 % (B * EACH);
    for (int kind = 0; kind < 2; kind++) {
        table turn = table_create((attn_rotary_kind)kind, D - 2);
        attn_cache c;
        attn_cache_init(&c, sizeof c, B, HK, S, D, DV, PAGE, B * EACH);
        c.k.data = page_k, c.v.data = page_v, c.page_table = pages;
        for (int n = 0; n < S; n++) step(&c, t, &turn.rotary, n, n + 1, lengths, one);
        attn_cache_init(&c, sizeof c, B, HK, S, D, DV, 0, 0);
        c.k.data = k, c.v.data = v;
        for (int n = 0; n < S; n += 8) step(&c, t, &turn.rotary, n, n + 8, lengths, some);
        expect_same_bits("one at a time and eight at once", 400, one, some, B * S * H * DV);

        attn_desc d;
        attn_desc_init(&d, sizeof d, B, H, HK, S, S, D, DV);
        attn_output y = {turned_q, S * H * D, D, H * D};
        d.q = (attn_view){t->q, y.batch, y.head, y.row};
        rotate(&d, NULL, &turn.rotary, &y);
        d.q.data = turned_q;
        attn_desc keys = d;
        keys.H = HK, keys.q = (attn_view){t->k, S * HK * D, D, HK * D};
        const attn_output key_rows = {turned_k, S * HK * D, D, HK * D};
        rotate(&keys, NULL, &turn.rotary, &key_rows);
        d.k = (attn_view){turned_k, S * HK * D, D, HK * D}, d.v = (attn_view){t->v, S * HK * DV, DV, HK * DV};
        d.o = (attn_output){all, S * H * DV, DV, H * DV};
        d.causal = true, d.parallel.threads = 1;
        size_t size;
        if (attn_forward_workspace_size(&d, &size)) fail_msg("%s", attn_error());
        void *workspace = aligned_alloc(ATTN_ALIGNMENT, size / ATTN_ALIGNMENT * ATTN_ALIGNMENT + ATTN_ALIGNMENT);
        if (attn_forward(&d, workspace, size)) fail_msg("%s", attn_error());
        free(workspace);
        for (int n = 0; n < B * S * H * DV; n++)
            if (!(fabsf(one[n] - all[n]) <= 1e-6f)) fail_msg("o[%d] is %.9g, forward's %.9g", n, one[n], all[n]);
        table_destroy(&turn);
    }
    free(t);
}

static void expect_refused(attn_status got, attn_status status, const char *named)
{
    if (got != status) fail_msg("%s: status %d, expected %d (%s)", named, (int)got, (int)status, attn_error());
    if (!strstr(attn_error(), named)) fail_msg("'%s' does not name %s", attn_error(), named);
}

static float kept[B * HK * S * D], new_rows[B * HK * S * D];

/* Refuses to append to the changed cache by the changed table, and leaves the cache as it was. */
#define REFUSED(change, status, named)                                                                                 \
    do {                                                                                                               \
        int64_t lengths[B] = {S, 4}, T = 3;                                                                            \
        attn_cache c;                                                                                                  \
        attn_rotary r = t.rotary;                                                                                      \
        attn_parallel parallel = {.threads = 1};                                                                       \
        attn_cache_init(&c, sizeof c, B, HK, S, D, D, 0, 0);                                                           \
        c.k.data = c.v.data = kept, c.lengths = lengths;                                                               \
        attn_view k = {new_rows, HK * 3 * D, 3 * D, D}, v = k;                                                         \
        change;                                                                                                        \
        memset(kept, 0x5a, sizeof kept);                                                                               \
        expect_refused(attn_append(&c, T, &k, &v, &r, &parallel), status, named);                                      \
        for (size_t n = 0; n < sizeof kept; n++) assert_int_equal(((unsigned char *)kept)[n], 0x5a);                   \
    } while (0)

static void hostile_rows_are_refused(void **state)
{
    (void)state;
    table t = table_create(ATTN_ROTARY_HALVES, 4);
    int32_t pages[B * EACH] = {0, 1, 2, 3, 2 * EACH};
    REFUSED(T = -1, ATTN_ERROR_ARGUMENT, "T = -1");
    REFUSED(T = INT64_MAX, ATTN_ERROR_OVERFLOW, "k with strides");
    REFUSED(T = INT64_MAX; c.D = c.DV = r.R = 0, ATTN_ERROR_OVERFLOW, "T = 9223372036854775807");
    REFUSED(lengths[0] = S + 1, ATTN_ERROR_ARGUMENT, "lengths[0] = 25");
    REFUSED(k.data = NULL, ATTN_ERROR_ARGUMENT, "k.data is NULL");
    REFUSED(v.data = NULL, ATTN_ERROR_ARGUMENT, "v.data is NULL");
    REFUSED(k.head = INT64_MIN, ATTN_ERROR_OVERFLOW, "k with strides");
    REFUSED(c.k.data = NULL, ATTN_ERROR_ARGUMENT, "cache.k.data is NULL");
    REFUSED(r.kind = (attn_rotary_kind)2, ATTN_ERROR_UNSUPPORTED, "kind = 2");
    REFUSED(r.R = 3, ATTN_ERROR_ARGUMENT, "R = 3");
    REFUSED(r.R = -2, ATTN_ERROR_ARGUMENT, "R = -2");
    REFUSED(r.R = D + 2, ATTN_ERROR_ARGUMENT, "R = 12");
    REFUSED(r.P = -1, ATTN_ERROR_ARGUMENT, "P = -1");
    REFUSED(r.P = S - 1, ATTN_ERROR_ARGUMENT, "P = 23");
    REFUSED(r.P = INT64_MAX / 2, ATTN_ERROR_OVERFLOW, "P = 4611686018427387903");
    REFUSED(r.cosines = NULL, ATTN_ERROR_ARGUMENT, "cosines is NULL");
    REFUSED(r.sines = NULL, ATTN_ERROR_ARGUMENT, "sines is NULL");
    REFUSED(r.sines = (float *)((uintptr_t)r.sines + 1), ATTN_ERROR_ARGUMENT, "multiple of its elements' 4");
    REFUSED(r.struct_size = 3, ATTN_ERROR_ARGUMENT, "struct_size = 3");
    REFUSED(c.new_dtype = ATTN_DTYPE_F64, ATTN_ERROR_UNSUPPORTED, "new_dtype = 4");
    REFUSED(c.new_dtype = ATTN_DTYPE_INT8, ATTN_ERROR_UNSUPPORTED, "new_dtype = 3");
    REFUSED(c.new_dtype = (attn_dtype)-1, ATTN_ERROR_UNSUPPORTED, "new_dtype = -1");
    REFUSED(c.new_dtype = ATTN_DTYPE_BF16;
            k.data = (char *)new_rows + 1, ATTN_ERROR_ARGUMENT, "multiple of its elements' 2");
    REFUSED(parallel.threads = 2000, ATTN_ERROR_ARGUMENT, "threads = 2000");
    REFUSED(attn_cache_init(&c, sizeof c, B, HK, S, D, D, PAGE, 2); c.k.data = c.v.data = kept; c.lengths = lengths;
            c.page_table = pages, ATTN_ERROR_ARGUMENT, "page_table[0][4] = 10");
    int32_t far_pages[B * EACH] = {[EACH - 1] = 70000, [EACH] = 70000};
    REFUSED(attn_cache_init(&c, sizeof c, B, HK, S, D, D, PAGE, 2); c.k.data = c.v.data = kept; c.lengths = lengths;
            c.page_table = pages; pages[4] = 1; pages[5] = 1, ATTN_ERROR_ARGUMENT, "page_table[1][0] = 1");
    REFUSED(attn_cache_init(&c, sizeof c, B, HK, S, D, D, PAGE, 70001); c.k.data = c.v.data = kept; c.lengths = lengths;
            c.page_table = far_pages, ATTN_ERROR_ARGUMENT, "page_table[1][0] = 70000");
    REFUSED(attn_cache_init(&c, sizeof c, B, HK, S, D, D, PAGE, 2); c.k.data = c.v.data = kept; c.lengths = lengths;
            c.page_table = pages; T = 6; pages[3] = 1; pages[4] = 1, ATTN_ERROR_ARGUMENT, "page_table[0][4] = 1");
    table_destroy(&t);
}

static void hostile_tables_are_refused(void **state)
{
    (void)state;
    float one[2], y[4];
    table t = table_create(ATTN_ROTARY_HALVES, 4);
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, 1, 0, 4, 0);
    const attn_output out = {y, 4, 4, 4};
    const int64_t lengths[] = {-1}, offsets[] = {INT64_MAX};
    d.q.data = new_rows;
    expect_refused(attn_rotary_fill(one, one + 1, -1, 2, 1e4), ATTN_ERROR_ARGUMENT, "P = -1");
    expect_refused(attn_rotary_fill(one, one + 1, 1, 1, 1e4), ATTN_ERROR_ARGUMENT, "R = 1");
    expect_refused(attn_rotary_fill(NULL, one, 1, 2, 1e4), ATTN_ERROR_ARGUMENT, "cosines is NULL");
    expect_refused(attn_rotary_fill(one, one + 1, 1, 2, 0), ATTN_ERROR_ARGUMENT, "base = 0");
    expect_refused(attn_rotary_fill(one, one + 1, 1, 2, NAN), ATTN_ERROR_ARGUMENT, "base = nan");
    expect_refused(attn_rotate(&d, NULL, NULL, &out), ATTN_ERROR_ARGUMENT, "rotary is NULL");
    expect_refused(attn_rotate(&d, NULL, &t.rotary, NULL), ATTN_ERROR_ARGUMENT, "y is NULL");
    expect_refused(attn_rotate(NULL, NULL, &t.rotary, &out), ATTN_ERROR_ARGUMENT, "desc is NULL");
    expect_refused(attn_rotate(&d, lengths, &t.rotary, &out), ATTN_ERROR_ARGUMENT, "lengths[0] = -1");
    d.dtype = ATTN_DTYPE_F64;
    expect_refused(attn_rotate(&d, NULL, &t.rotary, &out), ATTN_ERROR_UNSUPPORTED, "attn_rotate");
    d.dtype = ATTN_DTYPE_F32, d.query_offset = POSITIONS;
    expect_refused(attn_rotate(&d, NULL, &t.rotary, &out), ATTN_ERROR_ARGUMENT, "P = 300");
    d.query_offsets = offsets;
    expect_refused(attn_rotate(&d, NULL, &t.rotary, &out), ATTN_ERROR_ARGUMENT, "P = 300");
    d.query_offsets = NULL, d.query_offset = -5, t.rotary.P = 0;
    expect_refused(attn_rotate(&d, NULL, &t.rotary, &out), ATTN_ERROR_ARGUMENT, "P = 0");
    t.rotary.R = 0, d.query_offset = INT64_MAX; /* nothing turns, wherever it stands: rows are copied */
    float rows[2 * 4] = {1, 2, 3, 4, 5, 6, 7, 8}, copied[2 * 4];
    const attn_output copies = {copied, 8, 8, 4};
    d.T = 2, d.q = (attn_view){rows, 8, 8, 4};
    assert_int_equal(attn_rotate(&d, NULL, &t.rotary, &copies), ATTN_OK);
    assert_memory_equal(copied, rows, sizeof rows);
    assert_int_equal(attn_rotary_fill(NULL, NULL, 0, INT64_MAX - 1, 1e4), ATTN_OK); /* no positions: at once */
    table_destroy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_bytes),
        cmocka_unit_test(rows_that_have_no_scale),
        cmocka_unit_test(narrow_rows_are_kept_as_fp32_s),
        cmocka_unit_test(rows_go_where_they_belong),
        cmocka_unit_test(queries_turn_to_their_positions),
        cmocka_unit_test(narrow_queries_turn_as_fp32_does),
        cmocka_unit_test(a_decoder_s_steps_give_the_whole),
        cmocka_unit_test(hostile_rows_are_refused),
        cmocka_unit_test(hostile_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
