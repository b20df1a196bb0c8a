/* Backward's promise of bits: they depend on a sequence, not on who computes it, in what order, or beside whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "call.h"
#include "run_backwards.h"

#include <stdlib.h>
#include <string.h>

static float *copy_of(const float *data, size_t count)
{
    float *copy = malloc((count + 1) * sizeof *copy);
    if (count) memcpy(copy, data, count * sizeof *copy);
    return copy;
}

static void threads_and_order_change_no_bit(void **state)
{
    (void)state;
    const attn_parallel ways[] = {{.threads = 2}, {.threads = 3}, {.threads = 7}, {.threads = 1, .run = run_backwards}};
    for (uint64_t seed = 300; seed < 318; seed++) {
        call_options o = call_random_options(seed);
        o.threads = 1;
        if (seed < 303) o.B = o.H = o.HK = 1, o.T = 300 + (int64_t)seed, o.S = 1390 - (int64_t)seed, o.D = 9, o.DV = 5;
        if (seed < 307 && seed > 302) o.T = 1, o.S += 300, o.additive = true;
        call *c = call_create(&o, seed);
        call_backward(c);
        float *once[CALL_OUTPUTS + 1] = {NULL};
        for (int n = 0; n < CALL_OUTPUTS; n++) once[n] = copy_of(c->outputs[n].buffer, c->outputs[n].size);
        once[CALL_OUTPUTS] = copy_of(c->grad_bias, c->grad_bias_size);
        for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
            c->desc.parallel = ways[way];
            call_backward(c);
            for (int n = 0; n < CALL_OUTPUTS; n++)
                assert_memory_equal(once[n], c->outputs[n].buffer, c->outputs[n].size * sizeof(float));
            if (c->grad_bias) assert_memory_equal(once[CALL_OUTPUTS], c->grad_bias, c->grad_bias_size * sizeof(float));
        }
        for (int n = 0; n <= CALL_OUTPUTS; n++) free(once[n]);
        call_destroy(c);
    }
}

static attn_output moved(attn_output o, int64_t b)
{
    if (o.data) o.data = (float *)o.data + b * o.batch;
    return o;
}

static attn_view moved_view(attn_view v, int64_t b)
{
    v.data = (const float *)v.data + b * v.batch;
    return v;
}

/* Sequence b of the call on its own. */
static attn_desc alone(const call *c, int64_t b)
{
    attn_desc d = c->desc;
    d.B = 1;
    d.q = moved_view(d.q, b), d.k = moved_view(d.k, b), d.v = moved_view(d.v, b), d.grad_o = moved_view(d.grad_o, b);
    if (d.grad_lse.data) d.grad_lse = moved_view(d.grad_lse, b);
    d.o = moved(d.o, b), d.lse = moved(d.lse, b);
    d.grad_q = moved(d.grad_q, b), d.grad_k = moved(d.grad_k, b), d.grad_v = moved(d.grad_v, b);
    if (d.key_lengths) d.key_lengths += b;
    if (d.query_offsets) d.query_offsets += b;
    d.dropout_keys += b;
    if (d.block_mask.starts) d.block_mask.starts += b * d.block_mask.batch;
    if (d.mask.data) d.mask.data = (const char *)d.mask.data + b * d.mask.batch;
    if (d.bias.data) d.bias.data = (const float *)d.bias.data + b * d.bias.batch;
    d.grad_bias.data = d.grad_score_vector.data = NULL;
    d.grad_sinks = d.grad_alibi_slopes = NULL;
    return d;
}

static void run_alone(const attn_desc *d)
{
    size_t bytes;
    assert_int_equal(attn_backward_workspace_size(d, &bytes), ATTN_OK);
    void *workspace = aligned_alloc(ATTN_ALIGNMENT, (bytes + 63) / 64 * 64);
    assert_int_equal(attn_backward(d, workspace, bytes), ATTN_OK);
    free(workspace);
}

static void a_sequence_keeps_its_bits_alone(void **state)
{
    (void)state;
    for (uint64_t seed = 330; seed < 346; seed++) {
        call_options o = call_random_options(seed);
        o.B = 3;
        if (seed == 345) /* so much that a task's rows are asked for while the one before it runs */
            o.H = o.HK = 128, o.T = 60, o.S = 70, o.D = o.DV = 64, o.additive = false;
        if (seed < 335) o.T = 1, o.additive = true;
        call *c = call_create(&o, seed);
        call_backward(c);
        for (int n = 0; n < 3; n++) {
            float *together = copy_of(c->outputs[n].buffer, c->outputs[n].size);
            for (int64_t b = 0; b < 3; b++) {
                attn_desc d = alone(c, b);
                run_alone(&d);
            }
            assert_memory_equal(together, c->outputs[n].buffer, c->outputs[n].size * sizeof(float));
            free(together);
        }
        call_destroy(c);
    }
}

static void padding_changes_no_bit(void **state)
{
    (void)state;
    for (uint64_t seed = 360; seed < 372; seed++) {
        call_options o = call_random_options(seed);
        o.B = 1, o.lengths = true, o.bias = o.mask = false;
        if (seed < 362) o.T = 500, o.S = 1200, o.D = 9, o.DV = 5;
        if (seed > 368) o.T = 1, o.additive = true;
        call *c = call_create(&o, seed);
        call_backward(c);
        attn_desc d = alone(c, 0);
        d.S = c->lengths[0];
        d.key_lengths = NULL;
        for (int n = 0; n < 3; n++) {
            float *padded = copy_of(c->outputs[n].buffer, c->outputs[n].size);
            run_alone(&d);
            assert_memory_equal(padded, c->outputs[n].buffer, c->outputs[n].size * sizeof(float));
            free(padded);
        }
        call_destroy(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_order_change_no_bit),
        cmocka_unit_test(a_sequence_keeps_its_bits_alone),
        cmocka_unit_test(padding_changes_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
