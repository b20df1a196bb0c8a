/* Double backward where sizes are 0, rows are masked, sequences are packed, and arguments are hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "second_call.h"

#include <stdlib.h>
#include <string.h>

static void sizes_of_zero_give_zeros(void **state)
{
    (void)state;
    for (int zero = 0; zero < 16; zero++) {
        call_options o = {.B = 2, .H = 2, .HK = 1, .T = 5, .S = 7, .D = 3, .DV = 4, .sigma = 1, .threads = 1};
        if (zero & 1) o.T = 0;
        if (zero & 2) o.S = 0;
        if (zero & 4) o.D = 0;
        if (zero & 8) o.DV = 0;
        second_call *s = second_call_create(&o, 401, true);
        second_call_run(s);
        second_call_check(s, 3e-5, 1);
        second_call_destroy(s);
    }
}

static void rows_without_keys_give_zeros(void **state)
{
    (void)state;
    call_options o = {.B = 1, .H = 2, .HK = 2, .T = 70, .S = 9, .D = 5, .DV = 3, .sigma = 1, .causal = true};
    o.threads = 1;
    second_call *s = second_call_create(&o, 410, true);
    s->c->desc.query_offset = -66; /* only the last four have any */
    dense_destroy(&s->c->reference);
    s->c->reference = dense_create(&s->c->desc);
    dense *x = &s->c->reference;
    dense_forward(x);
    for (int64_t n = 0; n < o.H * o.T * o.DV; n++) ((float *)s->c->desc.o.data)[n] = (float)x->o[n];
    for (int64_t n = 0; n < o.H * o.T; n++) ((float *)s->c->desc.lse.data)[n] = (float)x->lse[n];
    second_call_run(s);
    second_call_check(s, 3e-5, 1);
    const attn_output *q = &s->second.grad_q, *o_out = &s->second.grad_grad_o;
    for (int64_t i = 0; i < 66; i++) {
        for (int64_t c = 0; c < o.D; c++) assert_true(((float *)q->data)[i * q->row + c] == 0);
        for (int64_t c = 0; c < o.DV; c++) assert_true(((float *)o_out->data)[i * o_out->row + c] == 0);
    }
    second_call_destroy(s);
}

#define ROWS 800
#define HEADS 2
#define WIDTH 6

typedef struct packed {
    float read[7][ROWS * HEADS * WIDTH], o[ROWS * HEADS * WIDTH], lse[ROWS * HEADS], written[4][ROWS * HEADS * WIDTH];
    attn_desc d;
    attn_second_order second;
} packed;

static void run(const attn_desc *d, const attn_second_order *second)
{
    size_t forward = 0, twice = 0;
    assert_int_equal(attn_forward_workspace_size(d, &forward), ATTN_OK);
    assert_int_equal(attn_double_backward_workspace_size(d, second, &twice), ATTN_OK);
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, ((forward > twice ? forward : twice) + 127) / 64 * 64);
    if (attn_forward(d, workspace, forward)) fail_msg("%s", attn_error());
    if (attn_double_backward(d, second, workspace, twice)) fail_msg("%s", attn_error());
    free(workspace);
}

/* Arrays (rows, H, WIDTH) from row `query`, or `key`, on. */
static void set_views(packed *p, attn_desc *d, attn_second_order *second, int64_t query, int64_t key)
{
    const int64_t row = HEADS * WIDTH, i = query * row, j = key * row;
    d->q = (attn_view){p->read[0] + i, 0, WIDTH, row}, d->grad_o = (attn_view){p->read[1] + i, 0, WIDTH, row};
    d->k = (attn_view){p->read[2] + j, 0, WIDTH, row}, d->v = (attn_view){p->read[3] + j, 0, WIDTH, row};
    d->o = (attn_output){p->o + i, 0, WIDTH, row}, d->lse = (attn_output){p->lse + query * HEADS, 0, 1, HEADS};
    second->by_grad_q = (attn_view){p->read[4] + i, 0, WIDTH, row};
    second->by_grad_k = (attn_view){p->read[5] + j, 0, WIDTH, row};
    second->by_grad_v = (attn_view){p->read[6] + j, 0, WIDTH, row};
    second->grad_q = (attn_output){p->written[0] + i, 0, WIDTH, row};
    second->grad_grad_o = (attn_output){p->written[1] + i, 0, WIDTH, row};
    second->grad_k = (attn_output){p->written[2] + j, 0, WIDTH, row};
    second->grad_v = (attn_output){p->written[3] + j, 0, WIDTH, row};
}

/* Behind so many rows of no sequence, before the first query and the first key. */
static void check_packed(int64_t queries_before, int64_t keys_before)
{
    int64_t query_starts[] = {3, 3, 70, 71, 190}, key_starts[] = {0, 5, 6, 90, 180}, B = 4;
    for (int64_t b = 0; b <= B; b++) query_starts[b] += queries_before, key_starts[b] += keys_before;
    packed *p = calloc(1, sizeof *p);
    for (int n = 0; n < 7; n++)
        for (int k = 0; k < ROWS * HEADS * WIDTH; k++) p->read[n][k] = (float)((k * 37 + n * 11) % 41) / 20 - 1;
    attn_desc_init(&p->d, sizeof p->d, B, HEADS, HEADS, ROWS, ROWS, WIDTH, WIDTH);
    attn_second_order_init(&p->second, sizeof p->second, &p->d);
    set_views(p, &p->d, &p->second, 0, 0);
    p->d.query_starts = query_starts, p->d.key_starts = key_starts, p->d.causal = true;
    p->d.parallel.threads = 1;
    for (int n = 0; n < 4; n++)
        for (int k = 0; k < ROWS * HEADS * WIDTH; k++) p->written[n][k] = 77;
    run(&p->d, &p->second);
    packed *alone = malloc(sizeof *alone);
    *alone = *p;
    for (int64_t b = 0; b < B; b++) {
        attn_desc d;
        int64_t T = query_starts[b + 1] - query_starts[b], S = key_starts[b + 1] - key_starts[b];
        attn_desc_init(&d, sizeof d, 1, HEADS, HEADS, T, S, WIDTH, WIDTH);
        attn_second_order second;
        attn_second_order_init(&second, sizeof second, &d);
        set_views(alone, &d, &second, query_starts[b], key_starts[b]);
        d.causal = true;
        d.parallel.threads = 1;
        run(&d, &second);
    }
    assert_memory_equal(p->written, alone->written, sizeof p->written);
    assert_true(p->written[0][0] == 77 && p->written[2][key_starts[B] * HEADS * WIDTH] == 77);
    free(alone);
    free(p);
}

static void packed_sequences_have_the_bits_that_they_have_alone(void **state)
{
    (void)state;
    check_packed(0, 0);
    check_packed(600, 0);
    check_packed(0, 600);
    check_packed(600, 600);
}

/* Without the fields that came later. */
static void an_earlier_version_s_struct_is_read(void **state)
{
    (void)state;
    call_options o = {.B = 1, .H = 2, .HK = 2, .T = 4, .S = 4, .D = 3, .DV = 3, .sigma = 1, .threads = 1};
    second_call *s = second_call_create(&o, 421, true);
    float *by_lse = s->second.grad_grad_lse.data, *grad_q = s->second.grad_q.data;
    size_t bytes = 0;
    s->second.struct_size = offsetof(attn_second_order, grad_grad_lse);
    by_lse[0] = grad_q[0] = 7777;
    assert_int_equal(attn_double_backward_workspace_size(&s->c->desc, &s->second, &bytes), ATTN_OK);
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, bytes / 64 * 64 + 64);
    assert_int_equal(attn_double_backward(&s->c->desc, &s->second, workspace, bytes), ATTN_OK);
    assert_true(by_lse[0] == 7777 && grad_q[0] != 7777);
    free(workspace);
    second_call_destroy(s);
}

static void hostile_arguments_are_refused(void **state)
{
    (void)state;
    call_options o = {.B = 1, .H = 2, .HK = 2, .T = 4, .S = 4, .D = 3, .DV = 3, .sigma = 1, .threads = 1};
    second_call *s = second_call_create(&o, 420, true);
    const attn_desc was = s->c->desc;
    const attn_second_order given = s->second;
    float sinks[2] = {0};
    for (int n = 0; n < SECOND_OUTPUTS; n++)
        if (s->sizes[n]) memset(s->buffers[n], 0x5a, s->sizes[n] * sizeof(float));
    size_t bytes = 0;
    assert_int_equal(attn_double_backward_workspace_size(&was, &given, &bytes), ATTN_OK);
    unsigned char *workspace = aligned_alloc(ATTN_ALIGNMENT, bytes / 64 * 64 + 64);
#define REFUSED(change, status, message)                                                                               \
    do {                                                                                                               \
        attn_desc d = was;                                                                                             \
        attn_second_order second = given;                                                                              \
        change;                                                                                                        \
        assert_int_equal(attn_double_backward(&d, &second, workspace, bytes), status);                                 \
        if (!strstr(attn_error(), message)) fail_msg("%s", attn_error());                                              \
    } while (0)
    REFUSED(second.struct_size = 8, ATTN_ERROR_ARGUMENT, "struct_size = 8");
    REFUSED(second.grad_grad_lse.head = 0, ATTN_ERROR_ARGUMENT, "grad_grad_lse.head = 0");
    REFUSED(d.B = -1, ATTN_ERROR_ARGUMENT, "B = -1");
    REFUSED(d.T = INT64_MAX / 8, ATTN_ERROR_OVERFLOW, "T = ");
    REFUSED(d.dtype = ATTN_DTYPE_INT8, ATTN_ERROR_UNSUPPORTED, "dtype = 3");
    REFUSED((d.score = ATTN_SCORE_ADDITIVE, d.scale = 1), ATTN_ERROR_UNSUPPORTED, "double backward");
    REFUSED(d.score_function = (attn_score_function)(uintptr_t)1, ATTN_ERROR_UNSUPPORTED, "score_function");
    REFUSED(d.o.data = NULL, ATTN_ERROR_ARGUMENT, "o.data is NULL");
    REFUSED(d.lse.data = NULL, ATTN_ERROR_ARGUMENT, "lse.data is NULL");
    REFUSED(d.grad_o.data = NULL, ATTN_ERROR_ARGUMENT, "grad_o.data is NULL");
    REFUSED(d.q.data = NULL, ATTN_ERROR_ARGUMENT, "q.data is NULL");
    REFUSED(second.by_grad_q.row = INT64_MAX / 2, ATTN_ERROR_OVERFLOW, "by_grad_q");
    REFUSED(second.by_grad_k.head = INT64_MIN, ATTN_ERROR_OVERFLOW, "by_grad_k");
    REFUSED(second.by_grad_v.row = INT64_MAX / 4, ATTN_ERROR_OVERFLOW, "by_grad_v");
    REFUSED(second.grad_q.row = 0, ATTN_ERROR_ARGUMENT, "grad_q.row = 0");
    REFUSED(second.grad_k.row = 0, ATTN_ERROR_ARGUMENT, "grad_k.row = 0");
    REFUSED(second.grad_v.head = 0, ATTN_ERROR_ARGUMENT, "grad_v.head = 0");
    REFUSED(second.grad_grad_o.row = 0, ATTN_ERROR_ARGUMENT, "grad_grad_o.row = 0");
    REFUSED(second.by_grad_sinks = sinks, ATTN_ERROR_ARGUMENT, "by_grad_sinks is set");
    REFUSED(second.grad_sinks = sinks, ATTN_ERROR_ARGUMENT, "grad_sinks is set");
    REFUSED((d.sinks = sinks, second.by_grad_sinks = (float *)((uintptr_t)sinks + 1)), ATTN_ERROR_ARGUMENT,
            "by_grad_sinks = ");
    REFUSED(second.by_grad_bias.data = sinks, ATTN_ERROR_ARGUMENT, "by_grad_bias has data");
    REFUSED(second.grad_bias.data = sinks, ATTN_ERROR_ARGUMENT, "grad_bias has data");
    REFUSED((d.bias.data = sinks, second.grad_bias = (attn_mask_output){sinks, 0, 0, 4, 1}), ATTN_ERROR_ARGUMENT,
            "grad_bias.row = 4");
    REFUSED((d.bias.data = sinks, second.by_grad_bias = (attn_mask){sinks, 0, 0, INT64_MAX, 1}), ATTN_ERROR_OVERFLOW,
            "by_grad_bias");
    assert_int_equal(attn_double_backward(&was, NULL, workspace, bytes), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_double_backward(NULL, &given, workspace, bytes), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_double_backward(&was, &given, workspace, bytes - 1), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_double_backward(&was, &given, workspace + 4, bytes), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_double_backward(&was, &given, NULL, bytes), ATTN_ERROR_WORKSPACE);
    assert_int_equal(attn_double_backward_workspace_size(&was, &given, NULL), ATTN_ERROR_ARGUMENT);
    for (int n = 0; n < SECOND_OUTPUTS; n++)
        for (size_t k = 0; k < s->sizes[n] * sizeof(float); k++)
            assert_int_equal(((unsigned char *)s->buffers[n])[k], 0x5a);
    free(workspace);
    second_call_destroy(s);
}

static void fields_of_a_later_version_are_refused(void **state)
{
    (void)state;
    struct {
        attn_second_order second;
        int64_t later;
    } x;
    attn_desc d;
    size_t size;
    attn_desc_init(&d, sizeof d, 1, 1, 1, 2, 2, 2, 2);
    memset(&x, 0xff, sizeof x);
    attn_second_order_init(&x.second, sizeof x, &d);
    assert_int_equal(x.later, 0);
    assert_int_equal(x.second.by_grad_k.row, 2);
    assert_int_equal(attn_double_backward_workspace_size(&d, &x.second, &size), ATTN_OK);
    x.later = 1;
    assert_int_equal(attn_double_backward_workspace_size(&d, &x.second, &size), ATTN_ERROR_UNSUPPORTED);
    attn_second_order_init(NULL, 8, &d);
    attn_second_order_init(&x.second, sizeof x.second, NULL);
    assert_int_equal(x.second.by_grad_k.row, 0);
}

/* A T x S matrix of 16384 would be 1 GiB. */
static void the_workspace_is_linear(void **state)
{
    (void)state;
    size_t sizes[3];
    for (int n = 0; n < 3; n++) {
        attn_desc d;
        const int64_t rows = (int64_t)16384 << n;
        attn_desc_init(&d, sizeof d, 1, 1, 1, rows, rows, 64, 64);
        d.parallel.threads = 1;
        attn_second_order second;
        attn_second_order_init(&second, sizeof second, &d);
        assert_int_equal(attn_double_backward_workspace_size(&d, &second, &sizes[n]), ATTN_OK);
    }
    assert_true(sizes[0] < (size_t)1 << 20);
    assert_int_equal(sizes[2] - sizes[1], 2 * (sizes[1] - sizes[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_zero_give_zeros),
        cmocka_unit_test(rows_without_keys_give_zeros),
        cmocka_unit_test(packed_sequences_have_the_bits_that_they_have_alone),
        cmocka_unit_test(an_earlier_version_s_struct_is_read),
        cmocka_unit_test(hostile_arguments_are_refused),
        cmocka_unit_test(fields_of_a_later_version_are_refused),
        cmocka_unit_test(the_workspace_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
