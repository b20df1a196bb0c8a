/* What attn_append, attn_rotate and attn_rotary_fill refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rotary_formula.h"

#include <math.h>
#include <string.h>

enum { B = 2, HK = 2, S = 24, D = 10, PAGE = 5, EACH = (S + PAGE - 1) / PAGE };

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
    rotary_table t = rotary_table_create(ATTN_ROTARY_HALVES, 4);
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
    rotary_table_destroy(&t);
}

static void hostile_tables_are_refused(void **state)
{
    (void)state;
    float one[2], y[4];
    rotary_table t = rotary_table_create(ATTN_ROTARY_HALVES, 4);
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
    d.dtype = ATTN_DTYPE_F32, d.query_offset = ROTARY_POSITIONS;
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
    rotary_table_destroy(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_rows_are_refused),
        cmocka_unit_test(hostile_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
