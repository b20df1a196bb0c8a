/* attn_merge against fp64, and the whole operator against its parts: forward over any split of the keys merged,
 * backward part by part. */
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

#define MOST_PARTS 6

static int64_t whole(uint64_t seed, uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed, n, 90).word[0] % (high - low + 1);
}

static float uniform(uint64_t seed, uint64_t n)
{
    return 2 * random_unit(random_philox(seed, n, 91).word[0]) - 1;
}

/* Random parts, some rows of some of which have no key left: their o is NaN, which must not be looked at. */
typedef struct parts {
    attn_part part[MOST_PARTS];
    int64_t count;
    float *o[MOST_PARTS], *lse[MOST_PARTS];
} parts;

static parts parts_create(attn_desc *d, uint64_t seed)
{
    attn_desc_init(d, sizeof *d, whole(seed, 0, 1, 3), whole(seed, 1, 1, 3), 1, whole(seed, 2, 1, 5), 0, 0,
                   whole(seed, 3, 0, 150));
    parts p = {.count = whole(seed, 4, 0, MOST_PARTS)};
    int64_t rows = d->B * d->H * d->T, wide = d->DV + whole(seed, 5, 0, 3);
    for (int64_t n = 0; n < p.count; n++) {
        p.o[n] = malloc((size_t)(rows * wide) * sizeof(float) + 1);
        p.lse[n] = malloc((size_t)rows * sizeof(float));
        for (int64_t r = 0; r < rows; r++) {
            uint64_t at = (uint64_t)(n * 1000 + r);
            p.lse[n][r] = whole(seed, 100 + at, 0, 3) ? 20 * uniform(seed, at) : -INFINITY;
            for (int64_t c = 0; c < wide; c++)
                p.o[n][r * wide + c] = p.lse[n][r] == -INFINITY ? NAN : uniform(seed, at * 200 + (uint64_t)c);
        }
        p.part[n].o = (attn_view){p.o[n], d->H * d->T * wide, d->T * wide, wide};
        p.part[n].lse = (attn_view){p.lse[n], d->H * d->T, d->T, 1};
    }
    return p;
}

static void parts_destroy(parts *p)
{
    for (int64_t n = 0; n < p->count; n++) free(p->o[n]), free(p->lse[n]);
}

static forward_results results_create(attn_desc *d)
{
    forward_results r;
    r.o = malloc((size_t)(d->B * d->H * d->T * d->DV) * sizeof(float) + 1);
    r.lse = malloc((size_t)(d->B * d->H * d->T) * sizeof(float) + 1);
    memset(r.o, 0xff, (size_t)(d->B * d->H * d->T * d->DV) * sizeof(float));
    memset(r.lse, 0xff, (size_t)(d->B * d->H * d->T) * sizeof(float));
    d->o = (attn_output){r.o, d->H * d->T * d->DV, d->T * d->DV, d->DV};
    d->lse = (attn_output){r.lse, d->H * d->T, d->T, 1};
    return r;
}

static void merge(const attn_desc *d, const attn_part *part, int64_t count)
{
    if (attn_merge(d, part, count)) fail_msg("%s", attn_error());
}

static void expect_near(const char *what, uint64_t seed, int64_t at, double got, double want, double slack)
{
    if (isinf(want) ? got != want : !(fabs(got - want) <= slack))
        fail_msg("seed %llu: %s %lld is %.9g, expected %.9g", (unsigned long long)seed, what, (long long)at, got, want);
}

static void check_row(const parts *p, const attn_desc *d, uint64_t seed, int64_t row)
{
    double sum = 0;
    for (int64_t n = 0; n < p->count; n++) sum += exp(p->lse[n][row]);
    expect_near("lse", seed, row, ((float *)d->lse.data)[row], log(sum), 1e-6 * (1 + fabs(log(sum))));
    for (int64_t c = 0; c < d->DV; c++) {
        double want = 0;
        for (int64_t n = 0; n < p->count; n++)
            if (p->lse[n][row] != -INFINITY) want += exp(p->lse[n][row]) / sum * p->o[n][row * p->part[n].o.row + c];
        expect_near("o of row", seed, row, ((float *)d->o.data)[row * d->DV + c], want, 1e-6);
    }
}

static void agrees_with_fp64(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        attn_desc d;
        parts p = parts_create(&d, seed);
        forward_results r = results_create(&d);
        d.parallel.threads = (int)whole(seed, 6, 1, 3);
        merge(&d, p.part, p.count);
        for (int64_t row = 0; row < d.B * d.H * d.T; row++) check_row(&p, &d, seed, row);
        forward_results_free(&r);
        parts_destroy(&p);
    }
}

/* Into the first part's own arrays; and without a log-sum-exp. */
static void a_part_may_take_the_result(void **state)
{
    (void)state;
    for (uint64_t seed = 300; seed < 360; seed++) {
        attn_desc d;
        parts p = parts_create(&d, seed);
        forward_results r = results_create(&d);
        merge(&d, p.part, p.count);
        attn_desc in_place = d;
        if (p.count) {
            in_place.o = (attn_output){p.o[0], p.part[0].o.batch, p.part[0].o.head, p.part[0].o.row};
            in_place.lse = (attn_output){p.lse[0], d.H * d.T, d.T, 1};
            merge(&in_place, p.part, p.count);
            expect_same_bits("lse in place", seed, p.lse[0], r.lse, d.B * d.H * d.T);
            for (int64_t row = 0; row < d.B * d.H * d.T; row++)
                expect_same_bits("o in place", seed, p.o[0] + row * p.part[0].o.row, r.o + row * d.DV, d.DV);
        }
        forward_results_free(&r);
        parts_destroy(&p);
    }
}

/* Narrow parts give the bits of the same numbers in fp32, rounded; and into a part's own place. */
static void narrow_parts_are_rounded_once(void **state)
{
    (void)state;
    for (uint64_t seed = 700; seed < 760; seed++) {
        attn_desc d;
        parts p = parts_create(&d, seed);
        forward_results r = results_create(&d);
        const bool bf16 = seed % 2;
        const int64_t wide = p.count ? p.part[0].o.row : d.DV, rows = d.B * d.H * d.T;
        uint16_t *narrow = malloc((size_t)((p.count + 1) * rows * wide) * sizeof *narrow + 1);
        attn_part part[MOST_PARTS] = {0};
        for (int64_t n = 0; n < p.count; n++) {
            uint16_t *o = narrow + n * rows * wide;
            for (int64_t x = 0; x < rows * wide; x++) {
                o[x] = bf16 ? bf16_of_float(p.o[n][x]) : fp16_of_float(p.o[n][x]);
                p.o[n][x] = bf16 ? bf16_to_float(o[x]) : fp16_to_float(o[x]);
            }
            part[n] = p.part[n];
            part[n].o.data = o;
        }
        merge(&d, p.part, p.count);
        attn_desc low = d;
        uint16_t *o = p.count && seed % 4 < 2 ? narrow : narrow + p.count * rows * wide;
        low.dtype = bf16 ? ATTN_DTYPE_BF16 : ATTN_DTYPE_FP16;
        low.o = (attn_output){o, d.H * d.T * wide, d.T * wide, wide};
        low.lse.data = NULL;
        merge(&low, part, p.count);
        for (int64_t row = 0; row < rows; row++)
            for (int64_t c = 0; c < d.DV; c++) {
                const float want = r.o[row * d.DV + c];
                assert_int_equal(o[row * wide + c], bf16 ? bf16_of_float(want) : fp16_of_float(want));
            }
        free(narrow);
        forward_results_free(&r);
        parts_destroy(&p);
    }
}

static void one_row(float lse_0, float lse_1, float *o, float *lse)
{
    float first = 3, second = 5;
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, 1, 0, 0, 1);
    d.o.data = o, d.lse.data = lse;
    const attn_part part[2] = {{{&first, 1, 1, 1}, {&lse_0, 1, 1, 1}}, {{&second, 1, 1, 1}, {&lse_1, 1, 1, 1}}};
    merge(&d, part, 2);
}

static void what_is_no_number_reaches_its_row(void **state)
{
    (void)state;
    float o, lse;
    one_row(NAN, -INFINITY, &o, &lse);
    assert_true(isnan(o) && isnan(lse));
    one_row(1, NAN, &o, &lse);
    assert_true(isnan(o) && isnan(lse));
    one_row(INFINITY, 1, &o, &lse);
    assert_true(isnan(o) && isnan(lse));
    one_row(-INFINITY, -INFINITY, &o, &lse);
    assert_true(o == 0 && lse == -INFINITY);
    one_row(1e4f, -1e4f, &o, &lse);
    assert_true(o == 3 && lse == 1e4f);
    one_row(-2e4f, -2e4f, &o, &lse);
    assert_true(o == 4);
}

/* The call for keys first .. last - 1 alone. */
static attn_desc keys_of(const attn_desc *d, int64_t first, int64_t last, int64_t *lengths, int64_t *offsets)
{
    attn_desc part = *d;
    part.S = last - first;
    part.k.data = (const float *)d->k.data + first * d->k.row;
    part.v.data = (const float *)d->v.data + first * d->v.row;
    part.query_offset -= first;
    for (int64_t b = 0; b < d->B; b++) {
        if (d->query_offsets) offsets[b] = d->query_offsets[b] - first;
        if (!d->key_lengths) continue;
        int64_t left = d->key_lengths[b] - first;
        lengths[b] = left < 0 ? 0 : left > part.S ? part.S : left;
    }
    if (d->query_offsets) part.query_offsets = offsets;
    if (d->key_lengths) part.key_lengths = lengths;
    if (d->mask.data) part.mask.data = (const char *)d->mask.data + first * d->mask.column;
    if (d->bias.data) part.bias.data = (const float *)d->bias.data + first * d->bias.column;
    return part;
}

static attn_part part_of(const attn_desc *d, const forward_results *r)
{
    return (attn_part){{r->o, d->H * d->T * d->DV, d->T * d->DV, d->DV}, {r->lse, d->H * d->T, d->T, 1}};
}

static int64_t cut(uint64_t seed, int64_t S, int64_t count, int64_t n)
{
    return n == 0 ? 0 : n == count ? S : S * n / count + (n % 2 ? whole(seed, 7, 0, S / count / 2) : 0);
}

static void check_call(call *c, uint64_t seed, int64_t count)
{
    attn_desc d = c->desc;
    forward_results r[MOST_PARTS], all;
    attn_part part[MOST_PARTS];
    for (int64_t n = 0; n < count; n++) {
        int64_t lengths[CALL_SEQUENCES], offsets[CALL_SEQUENCES];
        attn_desc keys = keys_of(&d, cut(seed, d.S, count, n), cut(seed, d.S, count, n + 1), lengths, offsets);
        if (n) keys.sinks = NULL, keys.grad_sinks = NULL; /* one part has them */
        r[n] = forward_call(&keys, seed);
        part[n] = part_of(&d, &r[n]);
    }
    all = results_create(&d);
    merge(&d, part, count);
    for (int64_t n = 0; n < d.B * d.H * d.T * d.DV; n++) expect_near("o", seed, n, all.o[n], c->reference.o[n], 3e-5);
    for (int64_t n = 0; n < d.B * d.H * d.T; n++)
        expect_near("lse", seed, n, all.lse[n], c->reference.lse[n], 1e-5 * (1 + fabs(c->reference.lse[n])));
    forward_results_free(&all);
    for (int64_t n = 0; n < count; n++) forward_results_free(&r[n]);
}

static void any_split_of_the_keys_gives_the_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 400; seed < 460; seed++) {
        call_options o = call_random_options(seed);
        o.dropout = 0; /* it is drawn by a key's place in its call, which blocks and functions go by as well */
        o.blocks = o.score_function = o.mask_function = false;
        call *c = call_create(&o, seed);
        check_call(c, seed, whole(seed, 8, 1, MOST_PARTS));
        call_destroy(c);
    }
}

static void *workspace_of(size_t size)
{
    return aligned_alloc(ATTN_ALIGNMENT, size / ATTN_ALIGNMENT * ATTN_ALIGNMENT + ATTN_ALIGNMENT);
}

/* Backward over keys first .. last - 1 with the merged o and lse: their grad_k, and their share of grad_q. */
static void backward_of(const attn_desc *d, int64_t first, int64_t last, float *grad_q, float *grad_k)
{
    int64_t lengths[1], offsets[1];
    attn_desc part = keys_of(d, first, last, lengths, offsets);
    part.grad_q = (attn_output){grad_q, 0, d->T * d->D, d->D};
    part.grad_k = (attn_output){grad_k + first * d->D, 0, d->S * d->D, d->D};
    size_t size;
    if (attn_backward_workspace_size(&part, &size)) fail_msg("%s", attn_error());
    void *workspace = workspace_of(size);
    if (attn_backward(&part, workspace, size)) fail_msg("%s", attn_error());
    free(workspace);
}

static void backward_goes_part_by_part(void **state)
{
    (void)state;
    const call_options o = {.B = 1, .H = 2, .HK = 2, .T = 19, .S = 70, .D = 9, .DV = 7, .sigma = 1, .causal = true};
    call *c = call_create(&o, 500);
    attn_desc d = c->desc;
    dense_backward(&c->reference);
    int64_t queries = d.H * d.T * d.D, keys = d.H * d.S * d.D;
    float *grad_q = calloc((size_t)queries * 2, sizeof *grad_q), *grad_k = calloc((size_t)keys, sizeof *grad_k);
    d.grad_v.data = d.grad_bias.data = NULL;
    backward_of(&d, 0, 31, grad_q, grad_k);
    backward_of(&d, 31, d.S, grad_q + queries, grad_k);
    for (int64_t n = 0; n < queries; n++)
        expect_near("grad_q", 500, n, grad_q[n] + grad_q[queries + n], c->reference.grad_q[n], 2e-6);
    for (int64_t n = 0; n < keys; n++) expect_near("grad_k", 500, n, grad_k[n], c->reference.grad_k[n], 2e-6);
    free(grad_q);
    free(grad_k);
    call_destroy(c);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    attn_desc d;
    attn_desc_init(&d, sizeof d, 2, 3, 1, 300, 0, 0, 70);
    int64_t rows = d.B * d.H * d.T;
    float *o = malloc((size_t)(rows * 2 * d.DV) * sizeof *o), *lse = malloc((size_t)rows * 2 * sizeof *lse);
    for (int64_t n = 0; n < rows * 2 * d.DV; n++) o[n] = uniform(600, (uint64_t)n);
    for (int64_t n = 0; n < rows * 2; n++) lse[n] = uniform(601, (uint64_t)n);
    attn_view view = {o, d.H * d.T * d.DV, d.T * d.DV, d.DV}, sums = {lse, d.H * d.T, d.T, 1};
    const attn_part part[2] = {
        {view, sums}, {{o + rows * d.DV, view.batch, view.head, view.row}, {lse + rows, sums.batch, sums.head, 1}}};
    d.parallel.threads = 1;
    forward_results one = results_create(&d);
    merge(&d, part, 2);
    d.parallel.threads = 3;
    forward_results three = results_create(&d);
    merge(&d, part, 2);
    expect_same_bits("o, 1 and 3 threads", 600, one.o, three.o, rows * d.DV);
    expect_same_bits("lse, 1 and 3 threads", 600, one.lse, three.lse, rows);
    forward_results_free(&one);
    forward_results_free(&three);
    free(o);
    free(lse);
}

static void expect_refused(const attn_desc *d, const attn_part *part, int64_t count, attn_status status,
                           const char *named)
{
    attn_status got = attn_merge(d, part, count);
    if (got != status) fail_msg("%s: status %d, expected %d (%s)", named, (int)got, (int)status, attn_error());
    if (!strstr(attn_error(), named)) fail_msg("'%s' does not name %s", attn_error(), named);
}

static void hostile_parts_are_refused(void **state)
{
    (void)state;
    attn_desc d;
    attn_desc_init(&d, sizeof d, 2, 2, 1, 2, 0, 0, 2);
    forward_results r = results_create(&d), sound = results_create(&d), untouched = results_create(&d);
    const attn_part good = part_of(&d, &sound);
    d.o.data = r.o, d.lse.data = r.lse;
    attn_part part[2] = {good, good};
    expect_refused(&d, part, -1, ATTN_ERROR_ARGUMENT, "count = -1");
    expect_refused(&d, NULL, 2, ATTN_ERROR_ARGUMENT, "parts is NULL");
    expect_refused(NULL, part, 2, ATTN_ERROR_ARGUMENT, "desc is NULL");
    const int64_t starts[] = {0, 1, 2};
    d.query_starts = starts;
    expect_refused(&d, part, 2, ATTN_ERROR_UNSUPPORTED, "query_starts is set");
    d.query_starts = NULL, d.dtype = ATTN_DTYPE_F64;
    expect_refused(&d, part, 2, ATTN_ERROR_UNSUPPORTED, "attn_merge");
    d.dtype = ATTN_DTYPE_F32;
    part[1].o.data = NULL;
    expect_refused(&d, part, 2, ATTN_ERROR_ARGUMENT, "parts[1].o.data is NULL");
    part[1] = good, part[1].lse.data = NULL;
    expect_refused(&d, part, 2, ATTN_ERROR_ARGUMENT, "parts[1].lse.data is NULL");
    part[1] = good, part[1].o.head = INT64_MIN;
    expect_refused(&d, part, 2, ATTN_ERROR_OVERFLOW, "parts[1].o with strides");
    part[1] = good, part[1].lse.batch = INT64_MAX / 2;
    expect_refused(&d, part, 2, ATTN_ERROR_OVERFLOW, "parts[1].lse with strides");
    part[1] = good, d.o.row = 0;
    expect_refused(&d, part, 2, ATTN_ERROR_ARGUMENT, "o.row = 0");
    d.o.row = d.DV, d.o.data = NULL;
    expect_refused(&d, part, 2, ATTN_ERROR_ARGUMENT, "o.data is NULL");
    assert_memory_equal(r.o, untouched.o, 16 * sizeof(float));
    assert_memory_equal(r.lse, untouched.lse, 8 * sizeof(float));
    forward_results_free(&r);
    forward_results_free(&sound);
    forward_results_free(&untouched);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_fp64),
        cmocka_unit_test(a_part_may_take_the_result),
        cmocka_unit_test(narrow_parts_are_rounded_once),
        cmocka_unit_test(what_is_no_number_reaches_its_row),
        cmocka_unit_test(any_split_of_the_keys_gives_the_whole),
        cmocka_unit_test(backward_goes_part_by_part),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(hostile_parts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
