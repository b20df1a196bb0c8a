/* A block-diagonal mask over one long sequence is a batch of packed short ones: the same bits, and a cost that follows
 * the blocks that are kept, not all there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128, BLOCKS = 500, ROWS = BLOCK * BLOCKS, D = 3 };
enum { O, LSE, GRAD_Q, GRAD_K, GRAD_V, RESULTS };

typedef struct results {
    float *of[RESULTS];
} results;

static float *random_rows(uint64_t stream)
{
    float *x = malloc((size_t)(ROWS * D) * sizeof *x);
    for (uint64_t n = 0; n < ROWS * D; n++) x[n] = 2 * random_unit(random_philox(5, n, stream).word[0]) - 1;
    return x;
}

static results run(attn_desc *d)
{
    results r;
    size_t forward, backward;
    for (int n = 0; n < RESULTS; n++) r.of[n] = calloc((size_t)(ROWS * D), sizeof(float));
    d->o.data = r.of[O], d->lse.data = r.of[LSE];
    d->grad_q.data = r.of[GRAD_Q], d->grad_k.data = r.of[GRAD_K], d->grad_v.data = r.of[GRAD_V];
    assert_int_equal(attn_forward_workspace_size(d, &forward), ATTN_OK);
    assert_int_equal(attn_backward_workspace_size(d, &backward), ATTN_OK);
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, ((forward > backward ? forward : backward) + 63) / 64 * 64);
    if (attn_forward(d, workspace, forward)) fail_msg("%s", attn_error());
    if (attn_backward(d, workspace, backward)) fail_msg("%s", attn_error());
    free(workspace);
    return r;
}

static void a_block_diagonal_is_a_packed_batch(void **state)
{
    (void)state;
    static int64_t starts[BLOCKS + 1], lists[BLOCKS + 1], entries[BLOCKS];
    for (int64_t n = 0; n <= BLOCKS; n++) starts[n] = n * BLOCK, lists[n] = n;
    for (int64_t n = 0; n < BLOCKS; n++) entries[n] = n;
    float *in[] = {random_rows(1), random_rows(2), random_rows(3), random_rows(4)};
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, ROWS, ROWS, D, D);
    d.q.data = in[0], d.k.data = in[1], d.v.data = in[2], d.grad_o.data = in[3];
    attn_desc packed = d;
    d.block_mask =
        (attn_block_mask){.queries = BLOCK, .keys = BLOCK, .starts = lists, .entries = entries, .count = BLOCKS};
    packed.B = BLOCKS;
    packed.query_starts = packed.key_starts = starts;
    results a = run(&d), b = run(&packed);
    for (int n = 0; n < RESULTS; n++) {
        assert_memory_equal(a.of[n], b.of[n], (size_t)(n == LSE ? ROWS : ROWS * D) * sizeof(float));
        free(a.of[n]);
        free(b.of[n]);
    }
    for (int n = 0; n < 4; n++) free(in[n]);
}

/* Where there are no keys the lists are not checked, and may say anything. */
static void lists_over_no_keys_are_not_read(void **state)
{
    (void)state;
    static const int64_t wild[] = {INT64_MIN, INT64_MAX / 16};
    const attn_dtype types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64};
    for (int n = 0; n < 2; n++) {
        double rows[5][4] = {{0}}, grads[2][4] = {{1, 1}};
        attn_desc d;
        attn_second_order second;
        attn_desc_init(&d, sizeof d, 1, 1, 1, 2, 0, 2, 2);
        attn_second_order_init(&second, sizeof second, &d);
        d.dtype = types[n], d.parallel.threads = 1;
        d.q.data = rows[0], d.grad_o.data = rows[1], d.o.data = rows[2], d.lse.data = rows[3];
        d.grad_q.data = second.grad_q.data = grads[0], second.grad_grad_o.data = grads[1];
        d.block_mask = (attn_block_mask){.queries = 2, .keys = 1, .starts = wild, .entries = wild, .count = 2};
        size_t sizes[3], largest = 0;
        assert_int_equal(attn_forward_workspace_size(&d, &sizes[0]), ATTN_OK);
        assert_int_equal(attn_backward_workspace_size(&d, &sizes[1]), ATTN_OK);
        assert_int_equal(attn_double_backward_workspace_size(&d, &second, &sizes[2]), ATTN_OK);
        for (int m = 0; m < 3; m++) largest = sizes[m] > largest ? sizes[m] : largest;
        void *workspace = aligned_alloc(ATTN_ALIGNMENT, (largest / ATTN_ALIGNMENT + 1) * ATTN_ALIGNMENT);
        assert_int_equal(attn_forward(&d, workspace, largest), ATTN_OK);
        assert_int_equal(attn_backward(&d, workspace, largest), ATTN_OK);
        grads[0][0] = 1;
        assert_int_equal(attn_double_backward(&d, &second, workspace, largest), ATTN_OK);
        assert_true(grads[0][0] == 0 && grads[1][0] == 0);
        free(workspace);
    }
}

/* Nothing comes behind the last block that can be counted: the message names it without counting on. */
static void a_block_behind_the_last_is_refused(void **state)
{
    (void)state;
    static const int64_t starts[] = {0, 2}, entries[] = {INT64_MAX, INT64_MAX};
    static float rows[5][4];
    static _Alignas(ATTN_ALIGNMENT) unsigned char workspace[1 << 18];
    attn_desc d;
    attn_desc_init(&d, sizeof d, 1, 1, 1, 2, 2, 2, 2);
    d.q.data = rows[0], d.k.data = rows[1], d.v.data = rows[2], d.o.data = rows[3], d.lse.data = rows[4];
    d.block_mask = (attn_block_mask){.queries = 2, .keys = 1, .starts = starts, .entries = entries, .count = 2};
    assert_int_equal(attn_forward(&d, workspace, sizeof workspace), ATTN_ERROR_ARGUMENT);
    assert_non_null(strstr(attn_error(), "entries[1]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_block_diagonal_is_a_packed_batch),
                                       cmocka_unit_test(lists_over_no_keys_are_not_read),
                                       cmocka_unit_test(a_block_behind_the_last_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
