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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_block_diagonal_is_a_packed_batch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
