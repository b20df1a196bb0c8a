/* What attn_decode refuses, by a name of it, before anything is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"

#include <math.h>
#include <string.h>

enum { B = 2, H = 4, HK = 2, T = 2, S = 40, D = 5, DV = 6, PAGE = 8, PAGES = 11 };

typedef struct arrays {
    float q[B * H * T * D], k[PAGES * HK * PAGE * D], v[PAGES * HK * PAGE * DV], out[2][B * H * T * DV];
    int64_t lengths[B];
    int32_t table[B * (S / PAGE)];
    _Alignas(ATTN_ALIGNMENT) unsigned char workspace[1 << 21];
} arrays;

static arrays a;

static void sound(attn_desc *d, attn_cache *c)
{
    attn_desc_init(d, sizeof *d, B, H, HK, T, S, D, DV);
    attn_cache_init(c, sizeof *c, B, HK, S, D, DV, PAGE, PAGES);
    d->q.data = a.q, d->o.data = a.out[0], d->lse.data = a.out[1];
    c->k.data = a.k, c->v.data = a.v, c->lengths = a.lengths, c->page_table = a.table;
    d->parallel.threads = 2;
    for (int n = 0; n < B * (S / PAGE); n++) a.table[n] = n;
    a.lengths[0] = 40, a.lengths[1] = 17;
}

static void expect_refused(const attn_desc *d, const attn_cache *c, attn_status status, const char *named)
{
    memset(a.out, 0x5a, sizeof a.out);
    attn_status got = attn_decode(d, c, a.workspace, sizeof a.workspace);
    if (got != status) fail_msg("%s: status %d, expected %d (%s)", named, (int)got, (int)status, attn_error());
    if (!strstr(attn_error(), named)) fail_msg("'%s' does not name %s", attn_error(), named);
    for (size_t n = 0; n < sizeof a.out; n++) assert_int_equal(((unsigned char *)a.out)[n], 0x5a);
}

#define REFUSED(change, status, named)                                                                                 \
    do {                                                                                                               \
        attn_desc d;                                                                                                   \
        attn_cache c;                                                                                                  \
        sound(&d, &c);                                                                                                 \
        change;                                                                                                        \
        expect_refused(&d, &c, status, named);                                                                         \
    } while (0)

static void hostile_caches_are_refused(void **state)
{
    (void)state;
    attn_desc sound_d;
    attn_cache sound_c;
    sound(&sound_d, &sound_c);
    assert_int_equal(attn_decode(&sound_d, &sound_c, a.workspace, sizeof a.workspace), ATTN_OK);
    REFUSED(a.table[3] = -1, ATTN_ERROR_ARGUMENT, "page_table[0][3] = -1");
    REFUSED(a.table[7] = PAGES, ATTN_ERROR_ARGUMENT, "page_table[1][2] = 11");
    REFUSED(a.table[4] = INT32_MIN, ATTN_ERROR_ARGUMENT, "page_table[0][4]");
    REFUSED(a.lengths[1] = -1, ATTN_ERROR_ARGUMENT, "lengths[1] = -1");
    REFUSED(a.lengths[0] = S + 1, ATTN_ERROR_ARGUMENT, "lengths[0] = 41");
    REFUSED(c.lengths = NULL, ATTN_ERROR_ARGUMENT, "lengths is NULL");
    REFUSED(c.lengths = (int64_t *)((uintptr_t)a.lengths + 1), ATTN_ERROR_ARGUMENT, "multiple of its elements' 8");
    REFUSED(c.page_table = (int32_t *)((uintptr_t)a.table + 1), ATTN_ERROR_ARGUMENT, "multiple of its elements' 4");
    REFUSED(c.page_table = NULL, ATTN_ERROR_ARGUMENT, "page_table is NULL");
    REFUSED(c.page_size = 0, ATTN_ERROR_ARGUMENT, "page_table is set");
    REFUSED(c.page_size = -8, ATTN_ERROR_ARGUMENT, "page_size = -8");
    REFUSED(c.pages = -1, ATTN_ERROR_ARGUMENT, "pages = -1");
    REFUSED(c.pages = INT64_MAX, ATTN_ERROR_OVERFLOW, "pages = 9223372036854775807");
    REFUSED(c.page_size = INT64_MAX / 2, ATTN_ERROR_OVERFLOW, "page_size = 4611686018427387903");
    REFUSED(c.table_row = 4, ATTN_ERROR_ARGUMENT, "table_row = 4");
    REFUSED(c.table_row = INT64_MAX, ATTN_ERROR_OVERFLOW, "table_row = 9223372036854775807");
    REFUSED(c.k.data = NULL, ATTN_ERROR_ARGUMENT, "cache.k.data is NULL");
    REFUSED(c.v.data = NULL, ATTN_ERROR_ARGUMENT, "cache.v.data is NULL");
    REFUSED(c.k.batch = INT64_MAX / 8, ATTN_ERROR_OVERFLOW, "cache.k with strides");
    REFUSED(c.v.row = 0, ATTN_ERROR_ARGUMENT, "cache.v.row = 0");
    REFUSED(d.dtype = ATTN_DTYPE_F64, ATTN_ERROR_UNSUPPORTED, "attn_decode");
    REFUSED(c.dtype = (attn_dtype)9, ATTN_ERROR_UNSUPPORTED, "dtype = 9");
    REFUSED(c.dtype = ATTN_DTYPE_INT8, ATTN_ERROR_ARGUMENT, "cache.k_scales.data is NULL");
    REFUSED(c.dtype = ATTN_DTYPE_INT8; c.k_scales.data = a.k, ATTN_ERROR_ARGUMENT, "cache.v_scales.data is NULL");
    REFUSED(c.dtype = ATTN_DTYPE_INT8; c.k_scales.data = c.v_scales.data = a.k;
            c.v_scales.head = INT64_MIN, ATTN_ERROR_OVERFLOW, "cache.v_scales with strides");
    REFUSED(c.dtype = ATTN_DTYPE_INT8; c.k_scales.data = c.v_scales.data = a.k;
            c.k_scales.row = 0, ATTN_ERROR_ARGUMENT, "cache.k_scales.row = 0");
    REFUSED(c.k_scales.data = a.k, ATTN_ERROR_ARGUMENT, "cache.k_scales.data is set");
    REFUSED(c.dtype = ATTN_DTYPE_BF16; c.v_scales.data = a.k, ATTN_ERROR_ARGUMENT, "cache.v_scales.data is set");
    REFUSED(c.struct_size = 8, ATTN_ERROR_ARGUMENT, "struct_size = 8");
    REFUSED(c.struct_size = offsetof(attn_cache, k_scales) - 1, ATTN_ERROR_ARGUMENT, "struct_size = ");
    sound_c.struct_size = offsetof(attn_cache, k_scales); /* of a caller that knows no scales */
    sound_c.k_scales.data = a.k;
    assert_int_equal(attn_decode(&sound_d, &sound_c, a.workspace, sizeof a.workspace), ATTN_OK);
    REFUSED(c.B = 3, ATTN_ERROR_ARGUMENT, "B = 3");
    REFUSED(c.HK = 4, ATTN_ERROR_ARGUMENT, "HK = 4");
    REFUSED(c.S = 39, ATTN_ERROR_ARGUMENT, "S = 39");
    REFUSED(c.D = -1, ATTN_ERROR_ARGUMENT, "D = -1");
    REFUSED(c.DV = 5, ATTN_ERROR_ARGUMENT, "DV = 5");
}

static void unused_function(void *user, const attn_tile *tile)
{
    (void)user;
    (void)tile;
}

static void hostile_calls_are_refused(void **state)
{
    (void)state;
    int64_t offsets[B] = {INT64_MAX, INT64_MIN};
    uint64_t keys[B] = {0};
    REFUSED(d.T = 17, ATTN_ERROR_UNSUPPORTED, "T = 17");
    REFUSED(d.score_function = unused_function, ATTN_ERROR_UNSUPPORTED, "score_function is set");
    REFUSED(d.dropout = 0.5f; d.dropout_keys = keys, ATTN_ERROR_UNSUPPORTED, "dropout = 0.5");
    REFUSED(d.score = ATTN_SCORE_ADDITIVE; d.scale = 1; d.score_vector.data = a.q, ATTN_ERROR_UNSUPPORTED, "score = 1");
    REFUSED(d.query_starts = offsets, ATTN_ERROR_ARGUMENT, "query_starts is set");
    REFUSED(d.key_starts = offsets, ATTN_ERROR_ARGUMENT, "key_starts is set");
    REFUSED(d.key_lengths = a.lengths, ATTN_ERROR_ARGUMENT, "key_lengths is set");
    REFUSED(d.query_offset = 3, ATTN_ERROR_ARGUMENT, "query_offset = 3");
    REFUSED(d.q.data = NULL, ATTN_ERROR_ARGUMENT, "q.data is NULL");
    REFUSED(d.o.data = NULL, ATTN_ERROR_ARGUMENT, "o.data is NULL");
    REFUSED(d.scale = NAN, ATTN_ERROR_ARGUMENT, "scale = nan");
    REFUSED(d.S = c.S = INT64_MAX / 8; c.table_row = INT64_MAX / 64, ATTN_ERROR_OVERFLOW, "S = 1152921504606846975");
    attn_desc d;
    attn_cache c;
    size_t size;
    sound(&d, &c);
    d.causal = true, d.query_offsets = offsets, d.window_left = 3;
    assert_int_equal(attn_decode(&d, &c, a.workspace, sizeof a.workspace), ATTN_OK);
    assert_int_equal(attn_decode_workspace_size(&d, &c, NULL), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_decode_workspace_size(&d, NULL, &size), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_decode_workspace_size(NULL, &c, &size), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_decode_workspace_size(&d, &c, &size), ATTN_OK);
    assert_int_equal(attn_decode(&d, &c, a.workspace, size - 1), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_decode(&d, &c, a.workspace + 8, size), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_decode(&d, &c, NULL, size), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_decode(&d, &c, a.workspace, size), ATTN_OK);
    struct {
        attn_cache cache;
        int64_t later;
    } x;
    attn_cache_init(&x.cache, sizeof x, B, HK, S, D, DV, 0, 0);
    assert_int_equal(attn_decode_workspace_size(&d, &x.cache, &size), ATTN_OK);
    x.later = 1;
    assert_int_equal(attn_decode_workspace_size(&d, &x.cache, &size), ATTN_ERROR_UNSUPPORTED);
    attn_cache_init(NULL, sizeof x, B, HK, S, D, DV, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_caches_are_refused),
        cmocka_unit_test(hostile_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
