/* Calls whose outputs have no elements, or nothing to add up in them, of 2^40 sequences or heads: whatever went over
 * these would never end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"

#include <string.h>

enum { B, H, HK, T, S, D, DV, SIZES };

#define MANY ((int64_t)1 << 40)
#define FEW 1000000 /* bytes of workspace: what more is asked for keeps a caller from such sizes */

static const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_BF16, ATTN_DTYPE_FP16, ATTN_DTYPE_F64};
static char workspace[FEW] __attribute__((aligned(ATTN_ALIGNMENT)));
static double number[64]; /* all there is of every input */
static float sums[2], sum_of_bias;

static attn_desc describe(const int64_t *n, attn_dtype type)
{
    const attn_view in = {number, 0, 0, 0};
    attn_desc d;
    attn_desc_init(&d, sizeof d, n[B], n[H], n[HK], n[T], n[S], n[D], n[DV]);
    d.dtype = type;
    d.q = d.k = d.v = d.grad_o = in;
    d.o.data = d.lse.data = number;
    d.o.batch = d.o.head = d.o.row = d.lse.batch = d.lse.head = d.lse.row = 0;
    return d;
}

static bool any(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return a && b && c && d;
}

static void expect_forward(const int64_t *n, attn_dtype type)
{
    attn_desc d = describe(n, type);
    size_t bytes;
    if (any(n[B], n[H], n[T], n[DV])) return;
    if (any(n[B], n[H], n[T], 1)) d.lse.data = NULL;
    assert_int_equal(attn_forward_workspace_size(&d, &bytes), ATTN_OK);
    if (bytes > FEW) return;
    assert_int_equal(attn_forward(&d, workspace, bytes), ATTN_OK);
}

/* With sums over the queries too, where it takes no time to add them up. */
static void want_sums(attn_desc *d)
{
    if (d->H > 1 || (d->B > 1 && d->T)) return;
    d->sinks = d->alibi_slopes = (const float *)number;
    d->grad_sinks = &sums[0], d->grad_alibi_slopes = &sums[1];
    sums[0] = sums[1] = 1;
}

/* The keys' gradients, of no elements or, without queries, of one: zero. */
static void want_keys(const int64_t *n, attn_output *grad_k, attn_output *grad_v)
{
    static double zeros[2];
    const bool few = n[B] == 1 && n[HK] == 1 && !n[T];
    if (few || !any(n[B], n[HK], n[S], n[D])) grad_k->data = &zeros[0];
    if (few || !any(n[B], n[HK], n[S], n[DV])) grad_v->data = &zeros[1];
}

static void expect_sums(const attn_desc *d)
{
    if (d->grad_sinks && !(d->B && d->T)) assert_true(sums[0] == 0 && sums[1] == 0);
}

static void expect_backward(const int64_t *n, attn_dtype type)
{
    attn_desc d = describe(n, type);
    size_t bytes;
    if (!any(n[B], n[H], n[T], n[D])) d.grad_q.data = number;
    want_keys(n, &d.grad_k, &d.grad_v);
    want_sums(&d);
    if (!any(n[B], n[H], n[T], n[S]))
        d.bias = (attn_mask){number, 0, 0, 0, 0}, d.grad_bias = (attn_mask_output){&sum_of_bias, 0, 0, 0, 0};
    assert_int_equal(attn_backward_workspace_size(&d, &bytes), ATTN_OK);
    if (bytes > FEW) return;
    assert_int_equal(attn_backward(&d, workspace, bytes), ATTN_OK);
    expect_sums(&d);
}

static void expect_double_backward(const int64_t *n, attn_dtype type)
{
    attn_desc d = describe(n, type);
    attn_second_order s;
    size_t bytes;
    want_sums(&d);
    attn_second_order_init(&s, sizeof s, &d);
    s.grad_sinks = d.grad_sinks;
    sums[1] = 0;
    if (!any(n[B], n[H], n[T], n[D])) s.grad_q.data = number;
    want_keys(n, &s.grad_k, &s.grad_v);
    if (!any(n[B], n[H], n[T], n[DV])) s.grad_grad_o.data = number;
    assert_int_equal(attn_double_backward_workspace_size(&d, &s, &bytes), ATTN_OK);
    if (bytes > FEW) return;
    assert_int_equal(attn_double_backward(&d, &s, workspace, bytes), ATTN_OK);
    expect_sums(&d);
}

static void expect_weights(const int64_t *n, attn_dtype type)
{
    const attn_desc d = describe(n, type);
    const attn_output w = {number, 0, 0, 0};
    size_t bytes;
    if (!any(n[B], n[H], n[T], n[S])) assert_int_equal(attn_weights(&d, NULL, &w), ATTN_OK);
    if (type == ATTN_DTYPE_F64 || any(n[B], n[H], n[S], 1)) return;
    assert_int_equal(attn_weights_column_sums_workspace_size(&d, &bytes), ATTN_OK);
    if (bytes <= FEW) assert_int_equal(attn_weights_column_sums(&d, NULL, &w, workspace, bytes), ATTN_OK);
}

static void expect_merge_and_rotation(const int64_t *n, attn_dtype type)
{
    attn_desc d = describe(n, type);
    const attn_part part = {d.q, d.q};
    attn_rotary rotary;
    attn_rotary_init(&rotary, sizeof rotary, ATTN_ROTARY_HALVES, 0, 0, NULL, NULL);
    if (type == ATTN_DTYPE_F64) return;
    d.lse.data = NULL;
    if (!any(n[B], n[H], n[T], n[DV])) assert_int_equal(attn_merge(&d, &part, 1), ATTN_OK);
    if (!any(n[B], n[H], n[T], n[D])) assert_int_equal(attn_rotate(&d, NULL, &rotary, &d.o), ATTN_OK);
}

/* Of one sequence: a cache has a length for each. */
static void expect_cache(const int64_t *n, attn_dtype type)
{
    attn_desc d = describe(n, type);
    attn_cache cache;
    size_t bytes;
    if (type == ATTN_DTYPE_F64 || n[B] > 1) return;
    attn_cache_init(&cache, sizeof cache, n[B], n[HK], n[S], n[D], n[DV], 0, 0);
    cache.lengths = &n[S], cache.new_dtype = type;
    if (!n[D] && !n[DV]) assert_int_equal(attn_append(&cache, n[T], &d.k, &d.v, NULL, NULL), ATTN_OK);
    if (n[T] || n[D] || n[DV]) return;
    assert_int_equal(attn_decode_workspace_size(&d, &cache, &bytes), ATTN_OK);
    assert_int_equal(attn_decode(&d, &cache, workspace, bytes), ATTN_OK);
}

static void what_has_nothing_to_write_takes_no_time(void **state)
{
    (void)state;
    const int64_t many[][3] = {{MANY, 1, 1}, {1, MANY, 1}, {1, MANY, MANY}, {0, MANY, MANY}, {MANY, 3, 1}};
    for (size_t m = 0; m < sizeof many / sizeof many[0]; m++)
        for (int sizes = 0; sizes < 16; sizes++)
            for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
                const int64_t n[SIZES] = {many[m][B],     many[m][H],     many[m][HK],   sizes & 1,
                                          sizes >> 1 & 1, sizes >> 2 & 1, sizes >> 3 & 1};
                expect_forward(n, types[t]);
                expect_backward(n, types[t]);
                expect_double_backward(n, types[t]);
                expect_weights(n, types[t]);
                expect_merge_and_rotation(n, types[t]);
                expect_cache(n, types[t]);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_has_nothing_to_write_takes_no_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
