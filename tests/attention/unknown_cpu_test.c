/* An ATTN_CPU that names no instruction set makes every operator call fail, rather than run something that nobody asked
 * for, and leaves what it would write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"

#include <stdlib.h>
#include <string.h>

enum { N = 4, D = 8 };

static float in[N * D], out[N * D], angles[N * D / 2];
static _Alignas(ATTN_ALIGNMENT) unsigned char workspace[1 << 20];

static void expect_refused(attn_status status)
{
    assert_int_equal(status, ATTN_ERROR_ARGUMENT);
    if (!strstr(attn_error(), "ATTN_CPU=mmx")) fail_msg("'%s' does not name ATTN_CPU", attn_error());
    for (size_t n = 0; n < sizeof out; n++) assert_int_equal(((unsigned char *)out)[n], 0x5a);
}

static attn_desc sound(void)
{
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, N, N, D, D);
    d.q.data = d.k.data = d.v.data = d.grad_o.data = in;
    d.o.data = d.lse.data = d.grad_q.data = out;
    return d;
}

static void a_call_on_a_descriptor_is_refused(void **state)
{
    (void)state;
    const attn_desc d = sound();
    attn_second_order second;
    attn_second_order_init(&second, sizeof second, &d);
    second.grad_q.data = out;
    const attn_output w = {out, N * N, N * N, N};
    const attn_part part = {{in, N * D, N * D, D}, {in, N, N, 1}};
    size_t size;
    memset(out, 0x5a, sizeof out);
    expect_refused(attn_forward_workspace_size(&d, &size));
    expect_refused(attn_backward_workspace_size(&d, &size));
    expect_refused(attn_double_backward_workspace_size(&d, &second, &size));
    expect_refused(attn_weights_column_sums_workspace_size(&d, &size));
    expect_refused(attn_forward(&d, workspace, sizeof workspace));
    expect_refused(attn_backward(&d, workspace, sizeof workspace));
    expect_refused(attn_double_backward(&d, &second, workspace, sizeof workspace));
    expect_refused(attn_weights(&d, NULL, &w));
    expect_refused(attn_weights_column_sums(&d, NULL, &w, workspace, sizeof workspace));
    expect_refused(attn_merge(&d, &part, 1));
}

static void a_call_on_a_cache_is_refused(void **state)
{
    (void)state;
    const attn_desc d = sound();
    const attn_view rows = {in, N * D, N * D, D};
    const attn_output turned = {out, N * D, N * D, D};
    const int64_t lengths[] = {N};
    attn_cache cache;
    attn_rotary rotary;
    attn_cache_init(&cache, sizeof cache, 1, 1, N, D, D, 0, 0);
    cache.k.data = cache.v.data = out, cache.lengths = lengths;
    attn_rotary_init(&rotary, sizeof rotary, ATTN_ROTARY_HALVES, N, D, angles, angles);
    size_t size;
    memset(out, 0x5a, sizeof out);
    expect_refused(attn_append(&cache, N, &rows, &rows, NULL, NULL));
    expect_refused(attn_rotate(&d, lengths, &rotary, &turned));
    expect_refused(attn_decode_workspace_size(&d, &cache, &size));
    expect_refused(attn_decode(&d, &cache, workspace, sizeof workspace));
}

static void none_is_used(void **state)
{
    (void)state;
    assert_string_equal(attn_cpu_used(), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_on_a_descriptor_is_refused),
        cmocka_unit_test(a_call_on_a_cache_is_refused),
        cmocka_unit_test(none_is_used),
    };
    setenv("ATTN_CPU", "mmx", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
