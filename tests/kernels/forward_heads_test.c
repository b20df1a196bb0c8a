/* Each instruction set's forward_heads against its forward_rows, which gives the same bits head by head (and which
 * forward_twin_test.c holds to its own twin): random sizes, gaps between rows, guards around all that is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guarded_floats.h"

#include "base/random.h"
#include "kernels/kernels.h"

#define GAP 3

static uint64_t seed_of_test;

static int64_t whole(uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed_of_test, n, 1).word[0] % (high - low + 1);
}

static float *random_floats(uint64_t stream, int64_t count)
{
    float *x = malloc((size_t)count * sizeof *x + 1);
    for (int64_t n = 0; n < count; n++)
        x[n] = 2 * random_unit(random_philox(seed_of_test, (uint64_t)n, stream).word[0]) - 1;
    return x;
}

static void run_row(const kernel_table *table, const forward_heads *x, int64_t h, float *o, float *lse)
{
    float *scratch = guards((int64_t)forward_rows_scratch((size_t)x->DV));
    const forward_block block = {.queries = 1,
                                 .D = x->D,
                                 .DV = x->DV,
                                 .scale = x->scale,
                                 .softcap = x->softcap,
                                 .q = x->q + h * x->D,
                                 .o = o,
                                 .lse = lse,
                                 .scratch = scratch};
    const forward_chunk chunk = {
        .k = x->k + h * x->D, .v = x->v + h * x->DV, .k_row = x->k_row, .v_row = x->v_row, .keys = x->keys};
    table->forward_rows.begin(&block);
    if (x->keys) table->forward_rows.step(&block, &chunk);
    table->forward_rows.finish(&block);
    free(scratch);
}

static void compare_heads(const kernel_table *table, const forward_heads *x)
{
    float *o = guards(x->DV + 1), lse;
    for (int64_t h = 0; h < x->heads; h++) {
        run_row(table, x, h, o, &lse);
        if (memcmp(o, x->o + h * x->DV, (size_t)x->DV * sizeof *o) != 0)
            fail_msg("seed %llu, %d lanes: head %lld differs", (unsigned long long)seed_of_test, table->lanes,
                     (long long)h);
        if (x->lse) assert_memory_equal(&lse, &x->lse[h * x->lse_head], sizeof lse);
    }
    free(o);
}

static void compare_on(const kernel_table *table)
{
    const int64_t heads = whole(0, 1, 17), D = whole(1, 0, 70), DV = whole(2, 0, 5) * table->lanes;
    const int64_t keys = whole(3, 0, 3) ? whole(4, 0, 40) : whole(4, 0, FORWARD_CHUNK);
    float *q = random_floats(10, heads * D), *k = random_floats(11, keys * (heads * D + GAP)),
          *v = random_floats(12, keys * (heads * DV + GAP));
    float *o = guards(heads * DV + GAP), *lse = guards(2 * heads), *scratch = guards(heads * (FORWARD_CHUNK + 1) + GAP);
    const forward_heads x = {.heads = heads,
                             .keys = keys,
                             .D = D,
                             .DV = DV,
                             .scale = 0.7f,
                             .softcap = whole(5, 0, 1) ? 2 : 0,
                             .q = q,
                             .k = k,
                             .v = v,
                             .k_row = heads * D + GAP,
                             .v_row = heads * DV + GAP,
                             .o = o,
                             .lse = whole(6, 0, 1) ? lse : NULL,
                             .lse_head = 2,
                             .scratch = scratch};
    table->forward_heads(&x);
    compare_heads(table, &x);
    for (int n = 0; n < GAP; n++)
        assert_true(is_guard(&o[heads * DV + n]) && is_guard(&scratch[heads * (FORWARD_CHUNK + 1) + n]));
    for (int64_t h = 0; h < heads; h++) assert_true(is_guard(&lse[2 * h + 1]));
    void *all[] = {q, k, v, o, lse, scratch};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
}

static void heads_together_are_as_each_alone(void **state)
{
    (void)state;
    for (int level = CPU_SCALAR; level <= (int)cpu_detect()->found; level++) {
        kernel_table table;
        kernels_fill(&table, (cpu_level)level);
        for (seed_of_test = 0; seed_of_test < 200; seed_of_test++) compare_on(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(heads_together_are_as_each_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
