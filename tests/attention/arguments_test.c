/* What the operator refuses: the status, a message that names the field and its value, and outputs untouched; what its
 * workspaces need; that it allocates nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The linker sends this test's and the library's calls here (--wrap): none may come while the operator runs. */
static bool watching;
static int allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    allocations += watching;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations += watching;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    allocations += watching;
    return __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations += watching;
    return __real_aligned_alloc(alignment, size);
}

enum { B = 2, H = 4, HK = 2, T = 9, S = 11, D = 5, DV = 6, FLOATS = B * H * S * DV };

static void no_score(void *user, const attn_tile *tile)
{
    (void)user, (void)tile;
}

static attn_tile_kept no_mask(void *user, const attn_tile *tile)
{
    (void)user, (void)tile;
    return ATTN_TILE_ALL;
}

typedef struct arrays {
    _Alignas(8) float in[4][FLOATS], out[6][FLOATS];
    int64_t lengths[B], offsets[B];
    uint64_t keys[B];
    float sinks[H];
    unsigned char mask[B * T * S];
    _Alignas(ATTN_ALIGNMENT) unsigned char workspace[1 << 22];
} arrays;

static arrays a;

static attn_desc sound(void)
{
    attn_desc d;
    attn_desc_init(&d, sizeof d, B, H, HK, T, S, D, DV);
    for (int n = 0; n < FLOATS; n++)
        for (int m = 0; m < 4; m++) a.in[m][n] = (float)((n * 7 + m * 3) % 11) / 11;
    d.q.data = a.in[0];
    d.k.data = a.in[1];
    d.v.data = a.in[2];
    d.grad_o.data = a.in[3];
    d.o.data = a.out[0];
    d.lse.data = a.out[1];
    d.grad_q.data = a.out[2];
    d.grad_k.data = a.out[3];
    d.grad_v.data = a.out[4];
    d.parallel.threads = 2;
    for (int b = 0; b < B; b++) a.lengths[b] = S, a.offsets[b] = 0, a.keys[b] = 1;
    return d;
}

/* Forward and backward refuse d and leave what they would write. */
static void expect_refused(const attn_desc *d, attn_status status, const char *named)
{
    memset(a.out, 0x5a, sizeof a.out);
    attn_status (*calls[])(const attn_desc *, void *, size_t) = {attn_forward, attn_backward};
    for (int n = 0; n < 2; n++) {
        attn_status got = calls[n](d, a.workspace, sizeof a.workspace);
        if (got != status) fail_msg("%s: status %d, expected %d (%s)", named, (int)got, (int)status, attn_error());
        if (!strstr(attn_error(), named)) fail_msg("'%s' does not name %s", attn_error(), named);
    }
    for (size_t n = 0; n < sizeof a.out; n++) assert_int_equal(((unsigned char *)a.out)[n], 0x5a);
}

#define REFUSED(change, status, named)                                                                                 \
    do {                                                                                                               \
        attn_desc d = sound();                                                                                         \
        change;                                                                                                        \
        expect_refused(&d, status, named);                                                                             \
    } while (0)

static void sizes_are_checked(void **state)
{
    (void)state;
    REFUSED(d.B = -1, ATTN_ERROR_ARGUMENT, "B = -1");
    REFUSED(d.H = 0, ATTN_ERROR_ARGUMENT, "H = 0");
    REFUSED(d.HK = 0, ATTN_ERROR_ARGUMENT, "HK = 0");
    REFUSED(d.HK = 3, ATTN_ERROR_ARGUMENT, "HK = 3");
    REFUSED(d.T = -5, ATTN_ERROR_ARGUMENT, "T = -5");
    REFUSED(d.S = INT64_MIN, ATTN_ERROR_ARGUMENT, "S = -9223372036854775808");
    REFUSED(d.D = -1, ATTN_ERROR_ARGUMENT, "D = -1");
    REFUSED(d.DV = -1, ATTN_ERROR_ARGUMENT, "DV = -1");
    REFUSED(d.T = INT64_MAX, ATTN_ERROR_OVERFLOW, "T = 9223372036854775807");
    REFUSED(d.S = INT64_MAX / 2, ATTN_ERROR_OVERFLOW, "S = 4611686018427387903");
    REFUSED(d.T = INT64_MAX; d.S = INT64_MAX; d.D = d.DV = 0, ATTN_ERROR_OVERFLOW, "T + S");
    REFUSED(d.q.row = INT64_MIN, ATTN_ERROR_OVERFLOW, "q with strides");
    REFUSED(d.k.batch = INT64_MAX / 4, ATTN_ERROR_OVERFLOW, "k with strides");
    REFUSED(d.struct_size = 8, ATTN_ERROR_ARGUMENT, "struct_size = 8");
    REFUSED(d.struct_size = SIZE_MAX - 7, ATTN_ERROR_ARGUMENT, "struct_size = 18446744073709551608");
}

static void options_are_checked(void **state)
{
    (void)state;
    REFUSED(d.score = (attn_score)2, ATTN_ERROR_UNSUPPORTED, "score = 2");
    REFUSED(d.score = ATTN_SCORE_ADDITIVE, ATTN_ERROR_ARGUMENT, "scale = 0.447");
    REFUSED(d.score = ATTN_SCORE_ADDITIVE; d.scale = 1, ATTN_ERROR_ARGUMENT, "score_vector.data is NULL");
    REFUSED(d.score = ATTN_SCORE_ADDITIVE; d.scale = 1; d.score_vector.data = a.in[3];
            d.score_vector.head = INT64_MIN, ATTN_ERROR_OVERFLOW, "score_vector with strides");
    REFUSED(d.score_vector.data = a.in[3], ATTN_ERROR_ARGUMENT, "score_vector.data is set");
    REFUSED(d.grad_score_vector.data = a.out[5], ATTN_ERROR_ARGUMENT, "grad_score_vector.data is set");
    REFUSED(d.grad_sinks = a.out[5], ATTN_ERROR_ARGUMENT, "grad_sinks is set");
    REFUSED(d.grad_alibi_slopes = a.out[5], ATTN_ERROR_ARGUMENT, "grad_alibi_slopes is set");
    REFUSED(d.alibi_slopes = a.in[3];
            d.grad_alibi_slopes = (float *)((char *)a.out[5] + 1), ATTN_ERROR_ARGUMENT, "grad_alibi_slopes = ");
    REFUSED(d.dtype = (attn_dtype)7, ATTN_ERROR_UNSUPPORTED, "dtype = 7");
    REFUSED(d.q.data = (char *)a.in[0] + 2, ATTN_ERROR_ARGUMENT, "q.data");
    REFUSED(d.dtype = ATTN_DTYPE_BF16; d.k.data = (char *)a.in[1] + 1, ATTN_ERROR_ARGUMENT, "k.data");
    REFUSED(d.dtype = ATTN_DTYPE_FP16; d.v.data = (char *)a.in[2] + 1, ATTN_ERROR_ARGUMENT, "v.data");
    REFUSED(d.dtype = ATTN_DTYPE_F64; d.score_function = no_score, ATTN_ERROR_UNSUPPORTED, "score_function");
    REFUSED(d.dtype = ATTN_DTYPE_F64; d.mask_function = no_mask, ATTN_ERROR_UNSUPPORTED, "mask_function");
    REFUSED(d.dtype = ATTN_DTYPE_F64; d.q.data = (char *)a.in[0] + 4, ATTN_ERROR_ARGUMENT, "q.data");
    REFUSED(d.alibi_slopes = (float *)(uintptr_t)((char *)a.in[3] + 1), ATTN_ERROR_ARGUMENT, "alibi_slopes = ");
    REFUSED(d.key_lengths = (int64_t *)(uintptr_t)((char *)a.lengths + 4), ATTN_ERROR_ARGUMENT, "key_lengths = ");
    REFUSED(d.bias.data = (char *)a.in[3] + 1, ATTN_ERROR_ARGUMENT, "bias.data");
    REFUSED(d.scale = NAN, ATTN_ERROR_ARGUMENT, "scale = nan");
    REFUSED(d.scale = INFINITY, ATTN_ERROR_ARGUMENT, "scale = inf");
    REFUSED(d.softcap = -1, ATTN_ERROR_ARGUMENT, "softcap = -1");
    REFUSED(d.softcap = NAN, ATTN_ERROR_ARGUMENT, "softcap = nan");
    REFUSED(d.dropout = 1; d.dropout_keys = a.keys, ATTN_ERROR_ARGUMENT, "dropout = 1");
    REFUSED(d.dropout = -0.5f; d.dropout_keys = a.keys, ATTN_ERROR_ARGUMENT, "dropout = -0.5");
    REFUSED(d.dropout = 0.5f, ATTN_ERROR_ARGUMENT, "dropout_keys is NULL");
    REFUSED(d.window_left = -2, ATTN_ERROR_ARGUMENT, "window_left = -2");
    REFUSED(d.window_right = -9, ATTN_ERROR_ARGUMENT, "window_right = -9");
    REFUSED(d.parallel.threads = -1, ATTN_ERROR_ARGUMENT, "parallel.threads = -1");
    REFUSED(d.parallel.threads = 1025, ATTN_ERROR_ARGUMENT, "parallel.threads = 1025");
    REFUSED(d.key_lengths = a.lengths; a.lengths[1] = S + 1, ATTN_ERROR_ARGUMENT, "key_lengths[1] = 12");
    REFUSED(d.key_lengths = a.lengths; a.lengths[0] = -1, ATTN_ERROR_ARGUMENT, "key_lengths[0] = -1");
    const int64_t lists[] = {0, 2, 3, 2, 9, 9, 9}, kept[] = {0, 2, 1, 1};
    attn_block_mask blocks = {.queries = 5, .keys = 4, .starts = lists, .entries = kept, .count = 4};
    REFUSED(d.block_mask = blocks; d.block_mask.queries = 0, ATTN_ERROR_ARGUMENT, "queries = 0, keys = 4");
    REFUSED(d.block_mask = blocks; d.block_mask.keys = INT64_MIN, ATTN_ERROR_ARGUMENT, "keys = -9223");
    REFUSED(d.block_mask = blocks; d.block_mask.count = -1, ATTN_ERROR_ARGUMENT, "count = -1");
    REFUSED(d.block_mask = blocks; d.block_mask.entries = NULL, ATTN_ERROR_ARGUMENT, "entries is NULL, expected 4");
    REFUSED(d.block_mask = blocks; d.block_mask.starts++, ATTN_ERROR_ARGUMENT, "has entries 3 to 2");
    REFUSED(d.block_mask = blocks; d.block_mask.starts += 3, ATTN_ERROR_ARGUMENT, "has entries 2 to 9");
    REFUSED(d.block_mask = blocks;
            d.block_mask.entries++, ATTN_ERROR_ARGUMENT, "entries[1] = 1, expected more than 2 ");
    REFUSED(d.block_mask = blocks; d.block_mask.entries += 2;
            d.block_mask.count = 2, ATTN_ERROR_ARGUMENT, "entries[1] = 1, expected more than 1 ");
    REFUSED(d.block_mask = blocks; d.block_mask.keys = INT64_MAX;
            d.block_mask.count = 3, ATTN_ERROR_ARGUMENT, "entries[1] = 2, expected more than 0 and no more than 1");
    REFUSED(d.block_mask = blocks; d.block_mask.head = INT64_MAX / 4, ATTN_ERROR_OVERFLOW, "block_mask.starts");
    const int64_t falling[] = {0, 5, 4}, beyond[] = {0, 5, 12}, negative[] = {-1, 5, 6}, huge[] = {0, INT64_MAX, 4},
                  sound_starts[] = {0, 5, 9};
    REFUSED(d.query_starts = falling, ATTN_ERROR_ARGUMENT, "query_starts[2] = 4, expected 5 to T = 9");
    REFUSED(d.query_starts = beyond, ATTN_ERROR_ARGUMENT, "query_starts[2] = 12, expected 5 to T = 9");
    REFUSED(d.query_starts = huge, ATTN_ERROR_ARGUMENT, "query_starts[1] = 9223372036854775807");
    REFUSED(d.key_starts = negative, ATTN_ERROR_ARGUMENT, "key_starts[0] = -1, expected 0 to S = 11");
    REFUSED(d.key_starts = beyond, ATTN_ERROR_ARGUMENT, "key_starts[2] = 12");
    REFUSED(d.key_starts = sound_starts; d.key_lengths = a.lengths;
            a.lengths[0] = 6, ATTN_ERROR_ARGUMENT, "key_lengths[0] = 6, expected 0 to the sequence's keys = 5");
}

static void arrays_are_checked(void **state)
{
    (void)state;
    REFUSED(d.q.data = NULL, ATTN_ERROR_ARGUMENT, "q.data is NULL");
    REFUSED(d.k.data = NULL, ATTN_ERROR_ARGUMENT, "k.data is NULL");
    REFUSED(d.v.data = NULL, ATTN_ERROR_ARGUMENT, "v.data is NULL");
    REFUSED(d.o.data = NULL, ATTN_ERROR_ARGUMENT, "o.data is NULL");
    attn_desc d = sound();
    memset(a.out, 0x5a, sizeof a.out);
    d.o.row = 0;
    assert_int_equal(attn_forward(&d, a.workspace, sizeof a.workspace), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "o.row = 0"));
    d = sound();
    d.lse.head = 0;
    assert_int_equal(attn_forward(&d, a.workspace, sizeof a.workspace), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "lse.head = 0"));
    assert_int_equal(attn_forward(NULL, a.workspace, sizeof a.workspace), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_forward_workspace_size(&d, NULL), ATTN_ERROR_ARGUMENT);
    for (size_t n = 0; n < sizeof a.out; n++) assert_int_equal(((unsigned char *)a.out)[n], 0x5a);
}

static void a_later_version_s_fields_are_refused_unless_zero(void **state)
{
    (void)state;
    struct {
        attn_desc desc;
        int64_t later;
    } x;
    attn_desc_init(&x.desc, sizeof x, B, H, HK, T, S, D, DV);
    assert_int_equal(x.later, 0);
    size_t size;
    assert_int_equal(attn_forward_workspace_size(&x.desc, &size), ATTN_OK);
    x.later = 1;
    assert_int_equal(attn_forward_workspace_size(&x.desc, &size), ATTN_ERROR_UNSUPPORTED);
    attn_desc_init(NULL, sizeof x, B, H, HK, T, S, D, DV);
}

/* What was compiled before the score's fields ends with `parallel`; what lies behind it is not its caller's to say. */
static void an_earlier_version_s_descriptor_is_read(void **state)
{
    (void)state;
    attn_desc d = sound();
    d.struct_size = offsetof(attn_desc, score);
    d.score = (attn_score)77;
    d.score_vector.data = a.in[3];
    size_t size;
    assert_int_equal(attn_forward_workspace_size(&d, &size), ATTN_OK);
    assert_int_equal(attn_forward(&d, a.workspace, size), ATTN_OK);
    attn_desc_init(&d, d.struct_size, B, H, HK, T, S, D, DV);
    assert_int_equal(d.score, 77);
}

static void the_workspace_is_checked(void **state)
{
    (void)state;
    attn_desc d = sound();
    size_t size;
    memset(a.out, 0x5a, sizeof a.out);
    assert_int_equal(attn_forward_workspace_size(&d, &size), ATTN_OK);
    assert_int_equal(attn_forward(&d, a.workspace, size - 1), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_forward(&d, a.workspace + 8, size), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_forward(&d, NULL, size), ATTN_ERROR_WORKSPACE);
    for (size_t n = 0; n < sizeof a.out; n++) assert_int_equal(((unsigned char *)a.out)[n], 0x5a);
    assert_int_equal(attn_forward(&d, a.workspace, size), ATTN_OK);
}

static void workspaces_stay_small(void **state)
{
    (void)state;
    for (int64_t n = 1024; n <= 131072; n *= 128) {
        attn_desc d;
        attn_desc_init(&d, sizeof d, 4, 32, 8, n, n, 512, 512);
        d.parallel.threads = 16;
        d.dropout = 0.1f;
        size_t size;
        assert_int_equal(attn_forward_workspace_size(&d, &size), ATTN_OK);
        assert_true(size <= (size_t)16 * 4000000);
    }
}

/* aligned_alloc wants that: elsewhere than with glibc it gives nothing for a size that is none. */
static void workspaces_are_multiples_of_their_alignment(void **state)
{
    (void)state;
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_BF16, ATTN_DTYPE_FP16};
    for (int n = 0; n < 3 * 4 * 4; n++) {
        attn_desc d = sound();
        attn_second_order second;
        attn_cache cache;
        size_t sizes[5] = {0};
        d.dtype = types[n % 3];
        d.parallel.threads = 1 + n / 3 % 4;
        if (n / 12 & 1) d.sinks = a.sinks, d.grad_sinks = a.out[5];
        if (n / 12 & 2) {
            d.score = ATTN_SCORE_ADDITIVE, d.scale = 1;
            d.score_vector.data = d.grad_score_vector.data = a.out[5];
        }
        assert_int_equal(attn_forward_workspace_size(&d, &sizes[0]), ATTN_OK);
        assert_int_equal(attn_backward_workspace_size(&d, &sizes[1]), ATTN_OK);
        assert_int_equal(attn_weights_column_sums_workspace_size(&d, &sizes[2]), ATTN_OK);
        if (d.score == ATTN_SCORE_DOT) {
            attn_second_order_init(&second, sizeof second, &d);
            second.grad_q.data = second.grad_grad_o.data = a.out[2];
            assert_int_equal(attn_double_backward_workspace_size(&d, &second, &sizes[3]), ATTN_OK);
            attn_cache_init(&cache, sizeof cache, B, HK, S, D, DV, 0, 0);
            assert_int_equal(attn_decode_workspace_size(&d, &cache, &sizes[4]), ATTN_OK);
        }
        for (int m = 0; m < 5; m++) assert_int_equal(sizes[m] % ATTN_ALIGNMENT, 0);
    }
}

static void weights_are_checked(void **state)
{
    (void)state;
    attn_desc d = sound();
    memset(a.out, 0x5a, sizeof a.out);
    attn_output w = {a.out[5], H * T * S, T * S, S};
    attn_region region = {0, 1, 0, 1, 0, T + 1};
    assert_int_equal(attn_weights(&d, &region, &w), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "row"));
    region = (attn_region){0, 1, H, 1, 0, 1};
    assert_int_equal(attn_weights(&d, &region, &w), ATTN_ERROR_ARGUMENT);
    region = (attn_region){0, 2, 0, 1, 0, 5};
    const int64_t starts[] = {0, 5, 9};
    d.query_starts = starts; /* the second has four */
    assert_int_equal(attn_weights(&d, &region, &w), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "within 0 to 4"));
    d.query_starts = NULL;
    region = (attn_region){-1, 1, 0, 1, 0, 1};
    assert_int_equal(attn_weights(&d, &region, &w), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_weights(&d, NULL, NULL), ATTN_ERROR_ARGUMENT);
    for (size_t n = 0; n < sizeof a.out; n++) assert_int_equal(((unsigned char *)a.out)[n], 0x5a);
}

/* Two queries of each sequence against a cache; the result merged with itself. */
static attn_status merge_and_decode(void)
{
    attn_desc d;
    attn_cache c;
    size_t size;
    attn_desc_init(&d, sizeof d, B, H, HK, 2, S, D, DV);
    attn_cache_init(&c, sizeof c, B, HK, S, D, DV, 0, 0);
    d.q.data = a.in[0], d.o.data = a.out[0], d.lse.data = a.out[1], d.sinks = a.in[3], d.parallel.threads = 2;
    c.k.data = a.in[1], c.v.data = a.in[2], c.lengths = a.lengths;
    attn_status status = attn_decode_workspace_size(&d, &c, &size);
    if (!status) status = attn_decode(&d, &c, a.workspace, size);
    const attn_part part = {{d.o.data, d.o.batch, d.o.head, d.o.row}, {d.lse.data, d.lse.batch, d.lse.head, d.lse.row}};
    d.o.data = a.out[2], d.lse.data = a.out[3];
    const attn_part parts[] = {part, part};
    return status ? status : attn_merge(&d, parts, 2);
}

/* Everything given and written; where does not matter here. */
static attn_status differentiate_twice(const attn_desc *d)
{
    attn_second_order second;
    size_t size;
    attn_second_order_init(&second, sizeof second, d);
    second.by_grad_q.data = a.in[0], second.by_grad_k.data = a.in[1], second.by_grad_v.data = a.in[2];
    second.grad_q.data = a.out[2], second.grad_k.data = a.out[3], second.grad_v.data = a.out[4];
    second.grad_grad_o.data = a.out[5];
    attn_status status = attn_double_backward_workspace_size(d, &second, &size);
    if (!status && size > sizeof a.workspace) return ATTN_ERROR_WORKSPACE;
    return status ? status : attn_double_backward(d, &second, a.workspace, size);
}

static void column_sums_are_checked(void **state)
{
    (void)state;
    attn_desc d = sound();
    memset(a.out, 0x5a, sizeof a.out);
    attn_output sums = {a.out[5], H * S, S, 1};
    const size_t size = sizeof a.workspace;
    size_t bytes;
    attn_region region = {0, 1, 0, 1, 0, T + 1};
    assert_int_equal(attn_weights_column_sums_workspace_size(NULL, &bytes), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_weights_column_sums_workspace_size(&d, NULL), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_weights_column_sums_workspace_size(&d, &bytes), ATTN_OK);
    assert_int_equal(attn_weights_column_sums(NULL, NULL, &sums, a.workspace, size), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_weights_column_sums(&d, &region, &sums, a.workspace, size), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "row"));
    assert_int_equal(attn_weights_column_sums(&d, NULL, NULL, a.workspace, size), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_weights_column_sums(&d, NULL, &sums, a.workspace, bytes - 1), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_weights_column_sums(&d, NULL, &sums, NULL, size), ATTN_ERROR_WORKSPACE);
    sums.row = 0;
    assert_int_equal(attn_weights_column_sums(&d, NULL, &sums, a.workspace, size), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "sums.row = 0"));
    sums.row = 1;
    d.lse.data = NULL;
    assert_int_equal(attn_weights_column_sums(&d, NULL, &sums, a.workspace, size), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "lse.data is NULL"));
    for (size_t n = 0; n < sizeof a.out; n++) assert_int_equal(((unsigned char *)a.out)[n], 0x5a);
}

static void nothing_is_allocated(void **state)
{
    (void)state;
    for (int n = 0; n < 6; n++) {
        attn_desc d = sound();
        d.parallel.threads = n / 2;
        if (n % 2) {
            d.score = ATTN_SCORE_ADDITIVE, d.scale = 1;
            d.score_vector.data = a.in[3], d.grad_score_vector.data = a.out[5];
            d.sinks = d.alibi_slopes = a.in[3], d.grad_sinks = a.sinks;
        }
        d.causal = true;
        d.dropout = 0.25f;
        d.dropout_keys = a.keys;
        d.query_offsets = a.offsets;
        d.key_lengths = a.lengths;
        memset(a.mask, 1, sizeof a.mask);
        d.mask = (attn_mask){a.mask, T * S, 0, S, 1};
        attn_output w = {a.out[5], 0, 0, S};
        attn_region region = {0, 1, 0, 1, 0, T};
        size_t forward, backward;
        watching = true;
        attn_status status = attn_forward_workspace_size(&d, &forward);
        if (!status) status = attn_backward_workspace_size(&d, &backward);
        if (!status) status = attn_forward(&d, a.workspace, forward);
        if (!status) status = attn_backward(&d, a.workspace, backward);
        if (!status) status = attn_weights(&d, &region, &w);
        attn_output sums = {a.out[5], H * S, S, 1};
        if (!status) status = attn_weights_column_sums(&d, NULL, &sums, a.workspace, backward);
        if (!status) status = merge_and_decode();
        if (!status && n % 2 == 0) status = differentiate_twice(&d);
        watching = false;
        if (status) fail_msg("%s", attn_error());
        assert_int_equal(allocations, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(arrays_are_checked),
        cmocka_unit_test(a_later_version_s_fields_are_refused_unless_zero),
        cmocka_unit_test(an_earlier_version_s_descriptor_is_read),
        cmocka_unit_test(the_workspace_is_checked),
        cmocka_unit_test(workspaces_stay_small),
        cmocka_unit_test(workspaces_are_multiples_of_their_alignment),
        cmocka_unit_test(weights_are_checked),
        cmocka_unit_test(column_sums_are_checked),
        cmocka_unit_test(nothing_is_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
