/* Numbers from the caller that lie as far out as an int64_t goes: where queries stand, how far windows reach, strides
 * over what has one element or none. What they say is exact; the sanitizers see that no sum or product of them is
 * taken that does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_T 20
#define KEYS 20
#define WIDTH 5

typedef struct arrays {
    double read[3][MOST_T * WIDTH], grad_o[MOST_T * WIDTH], o[MOST_T * WIDTH], lse[MOST_T], grad_q[MOST_T * WIDTH];
    uint8_t mask[MOST_T * KEYS];
} arrays;

static const int64_t query_counts[] = {3, MOST_T}; /* in rows and in lanes */

static void fill(arrays *a, attn_dtype type)
{
    memset(a, 0, sizeof *a);
    double *in[] = {a->read[0], a->read[1], a->read[2], a->grad_o};
    for (int n = 0; n < 4; n++)
        for (int k = 0; k < MOST_T * WIDTH; k++) {
            const double x = (k * 37 + n * 11) % 41 / 20.0 - 1;
            if (type == ATTN_DTYPE_F64)
                in[n][k] = x;
            else
                ((float *)(void *)in[n])[k] = (float)x;
        }
}

static attn_desc describe(arrays *a, attn_dtype type, int64_t T, int64_t keys)
{
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, T, keys, WIDTH, WIDTH);
    d.dtype = type, d.parallel.threads = 1;
    d.q.data = a->read[0], d.k.data = a->read[1], d.v.data = a->read[2], d.grad_o.data = a->grad_o;
    d.o.data = a->o, d.lse.data = a->lse, d.grad_q.data = a->grad_q;
    return d;
}

/* Forward, then backward. */
static void run(const attn_desc *d)
{
    size_t size, backward;
    assert_int_equal(attn_forward_workspace_size(d, &size), ATTN_OK);
    assert_int_equal(attn_backward_workspace_size(d, &backward), ATTN_OK);
    if (backward > size) size = backward;
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, (size / ATTN_ALIGNMENT + 1) * ATTN_ALIGNMENT);
    if (attn_forward(d, workspace, size) || attn_backward(d, workspace, size)) fail_msg("%s", attn_error());
    free(workspace);
}

/* What the header says, in numbers that have room for it. */
static bool keeps(const attn_desc *d, int64_t i, int64_t j)
{
    __extension__ typedef __int128 wide;
    const wide p = (wide)d->query_offset + i;
    return (!d->causal || j <= p) && (d->window_left < 0 || p - d->window_left <= j) &&
           (d->window_right < 0 || j <= p + d->window_right);
}

static void check_window(attn_desc d, arrays *a)
{
    static arrays masked;
    run(&d);
    masked = *a;
    memset(masked.o, 0, sizeof masked.o);
    memset(masked.grad_q, 0, sizeof masked.grad_q);
    attn_desc bytes = describe(&masked, d.dtype, d.T, d.S);
    bytes.mask = (attn_mask){masked.mask, 0, 0, d.S, 1};
    for (int64_t n = 0; n < d.T * d.S; n++) masked.mask[n] = keeps(&d, n / d.S, n % d.S);
    run(&bytes);
    if (memcmp(a->o, masked.o, sizeof a->o) || memcmp(a->lse, masked.lse, sizeof a->lse) ||
        memcmp(a->grad_q, masked.grad_q, sizeof a->grad_q))
        fail_msg("offset %lld, window %lld %lld, causal %d, T %lld, dtype %d: not the bits of the same mask in bytes",
                 (long long)d.query_offset, (long long)d.window_left, (long long)d.window_right, d.causal,
                 (long long)d.T, (int)d.dtype);
}

static void windows_reach_as_far_as_they_say(void **state)
{
    (void)state;
    static arrays a;
    const int64_t offsets[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN + 9, -3, INT64_MAX - 9, INT64_MAX - 1, INT64_MAX},
                  reaches[] = {-1, 4, INT64_MAX - 14, INT64_MAX - 9, INT64_MAX - 1, INT64_MAX};
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64};
    const int64_t combinations = 2 * 2 * 2 * 7 * 6 * 6;
    for (int64_t n = 0; n < combinations; n++) {
        const attn_dtype type = types[n % 2];
        fill(&a, type);
        attn_desc d = describe(&a, type, query_counts[n / 2 % 2], KEYS);
        d.causal = n / 4 % 2;
        d.query_offset = offsets[n / 8 % 7];
        d.window_left = reaches[n / 56 % 6], d.window_right = reaches[n / 336];
        check_window(d, &a);
    }
}

/* Distances that are one number in fp32 leave every key the same weight. */
static void distances_beyond_fp32_are_one(void **state)
{
    (void)state;
    static arrays a;
    const int64_t offsets[] = {INT64_MAX, INT64_MAX - 30, INT64_MIN, INT64_MIN + 30};
    const float slope = 1;
    for (int n = 0; n < 8; n++) {
        fill(&a, ATTN_DTYPE_F32);
        attn_desc d = describe(&a, ATTN_DTYPE_F32, query_counts[n % 2], KEYS);
        d.query_offset = offsets[n / 2], d.alibi_slopes = &slope;
        run(&d);
        const float *o = d.o.data, *v = d.v.data;
        for (int64_t i = 0; i < d.T; i++) {
            double mean = 0;
            for (int64_t j = 0; j < KEYS; j++) mean += v[j * WIDTH] / KEYS;
            assert_true(fabs(o[i * WIDTH] - mean) < 1e-6);
        }
    }
}

/* One query and one key, their strides such as nobody could take a step of. */
static void strides_over_one_element_are_not_taken(void **state)
{
    (void)state;
    static arrays near, far;
    const int64_t wild[] = {INT64_MAX, INT64_MIN + 1, (int64_t)1 << 62};
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64};
    for (int n = 0; n < 24; n++) {
        const attn_dtype type = types[n % 2];
        fill(&near, type);
        far = near;
        const int64_t T = n / 2 % 2 ? 1 : MOST_T, keys = n / 4 % 2 ? 1 : KEYS, stride = wild[n / 8];
        attn_desc d = describe(&near, type, T, keys), e = describe(&far, type, T, keys);
        run(&d);
        e.q.batch = e.q.head = e.k.batch = e.k.head = e.v.batch = e.o.head = e.lse.head = e.grad_q.batch = stride;
        if (T == 1) e.q.row = e.o.row = e.lse.row = e.grad_o.row = e.grad_q.row = stride;
        if (keys == 1) e.k.row = e.v.row = stride;
        run(&e);
        assert_memory_equal(&near, &far, sizeof near);
    }
}

/* Arrays without elements, which may be anywhere and have any strides; beside them those that have some. */
static void strides_of_nothing_are_not_taken(void **state)
{
    (void)state;
    static arrays a;
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_BF16, ATTN_DTYPE_F64};
    const attn_view wild_view = {&a, INT64_MAX, INT64_MAX, INT64_MAX};
    const attn_output wild = {&a, INT64_MAX, INT64_MAX, INT64_MAX};
    for (int n = 0; n < 12; n++) {
        attn_desc d;
        attn_second_order second;
        attn_desc_init(&d, sizeof d, 3, 2, 2, n / 3 % 2 ? 2 : 20, 3, 0, 0);
        attn_second_order_init(&second, sizeof second, &d);
        d.dtype = types[n % 3], d.parallel.threads = 1;
        d.q = d.k = d.v = d.grad_o = wild_view, d.o = d.grad_q = d.grad_k = d.grad_v = wild;
        second.by_grad_q = second.by_grad_k = second.by_grad_v = wild_view;
        second.grad_q = second.grad_k = second.grad_v = second.grad_grad_o = wild;
        if (n >= 6) d.k.data = d.v.data = NULL, second.by_grad_bias.row = INT64_MAX;
        double lse[3 * 2 * 20];
        d.lse.data = lse;
        memset(&a, 0x5a, sizeof a);
        run(&d);
        size_t size;
        assert_int_equal(attn_double_backward_workspace_size(&d, &second, &size), ATTN_OK);
        void *workspace = aligned_alloc(ATTN_ALIGNMENT, (size / ATTN_ALIGNMENT + 1) * ATTN_ALIGNMENT);
        assert_int_equal(attn_double_backward(&d, &second, workspace, size), ATTN_OK);
        free(workspace);
        for (size_t x = 0; x < sizeof a; x++) assert_int_equal(((unsigned char *)&a)[x], 0x5a);
        const double each = d.dtype == ATTN_DTYPE_F64 ? lse[5] : ((float *)(void *)lse)[5];
        assert_true(fabs(each - log(3)) < 1e-6);
    }
}

/* A sequence without queries or keys begins where the array ends. */
static void nothing_begins_behind_the_last_row(void **state)
{
    (void)state;
    static arrays a;
    const int64_t starts[] = {0, 1, 1};
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64};
    for (int n = 0; n < 2; n++) {
        fill(&a, types[n]);
        attn_desc d = describe(&a, types[n], 1, 1);
        d.B = 2, d.query_starts = d.key_starts = starts;
        d.q.row = d.k.row = d.v.row = d.o.row = d.lse.row = d.grad_o.row = d.grad_q.row = INT64_MAX;
        run(&d);
        assert_memory_equal(a.o, a.read[2], WIDTH * (types[n] == ATTN_DTYPE_F64 ? sizeof(double) : sizeof(float)));
    }
}

static void a_cache_without_rows_has_no_pages(void **state)
{
    (void)state;
    const int64_t lengths[] = {0, 0};
    const int32_t pages[] = {0};
    const attn_view none = {NULL, INT64_MAX, INT64_MAX, INT64_MAX};
    attn_cache c;
    attn_cache_init(&c, sizeof c, 2, 1, 0, 4, 4, 0, 0);
    c.lengths = lengths;
    assert_int_equal(attn_append(&c, 0, &none, &none, NULL, NULL), ATTN_OK);
    c.page_table = pages;
    assert_int_equal(attn_append(&c, 0, &none, &none, NULL, NULL), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "page_table is set"));
    attn_cache_init(&c, sizeof c, 2, 1, 0, 4, 4, 16, 0);
    c.lengths = lengths;
    assert_int_equal(attn_append(&c, 0, &none, &none, NULL, NULL), ATTN_OK);
}

/* Without queries nothing bounds the other sizes, and nothing needs room. */
static void sizes_beside_no_queries_need_no_room(void **state)
{
    (void)state;
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_BF16, ATTN_DTYPE_FP16};
    for (int n = 0; n < 6; n++) {
        attn_desc d;
        attn_cache c;
        attn_desc_init(&d, sizeof d, n / 3, 2, 2, 0, 0, INT64_MAX, INT64_MAX - 1);
        attn_cache_init(&c, sizeof c, n / 3, 2, 0, INT64_MAX, INT64_MAX - 1, 0, 0);
        d.dtype = types[n % 3], d.parallel.threads = 1;
        size_t size = 1;
        assert_int_equal(attn_decode_workspace_size(&d, &c, &size), ATTN_OK);
        assert_int_equal(size, 0);
        assert_int_equal(attn_backward_workspace_size(&d, &size), ATTN_OK);
        attn_status forward = attn_forward_workspace_size(&d, &size);
        assert_true(forward == ATTN_OK || forward == ATTN_ERROR_OVERFLOW);
        attn_status sums = attn_weights_column_sums_workspace_size(&d, &size);
        assert_true(sums == ATTN_OK || sums == ATTN_ERROR_OVERFLOW);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_reach_as_far_as_they_say),
        cmocka_unit_test(distances_beyond_fp32_are_one),
        cmocka_unit_test(strides_over_one_element_are_not_taken),
        cmocka_unit_test(strides_of_nothing_are_not_taken),
        cmocka_unit_test(nothing_begins_behind_the_last_row),
        cmocka_unit_test(sizes_beside_no_queries_need_no_room),
        cmocka_unit_test(a_cache_without_rows_has_no_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
