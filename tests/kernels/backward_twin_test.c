/* Each instruction set's backward kernels against the scalar twin: the same random tile to both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backward_inputs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static results run(const inputs *x, const backward_kernels *kernels)
{
    results y = prepare_results(x);
    kernels->begin(&y.tile);
    kernels->scores(&y.tile);
    kernels->products(&y.tile);
    return y;
}

static void every_set_agrees_with_its_twin(void **state)
{
    (void)state;
    kernel_table scalar, wide;
    kernels_fill(&scalar, CPU_SCALAR);
    for (int level = CPU_SCALAR + 1; level <= (int)cpu_detect()->found; level++) {
        kernels_fill(&wide, (cpu_level)level);
        for (uint64_t seed = 0; seed < 150; seed++) {
            inputs x = make_inputs(seed);
            results want = run(&x, &scalar.backward), got = run(&x, &wide.backward);
            check_rows(&x, "grad_q", got.out[GRAD_Q], want.out[GRAD_Q], x.tile.queries, x.tile.D);
            check_rows(&x, "grad_k", got.out[GRAD_K], want.out[GRAD_K], x.tile.keys, x.tile.D);
            check_rows(&x, "grad_score_vector", got.out[GRAD_SCORE_VECTOR], want.out[GRAD_SCORE_VECTOR], 1, x.tile.D);
            check_rows(&x, "grad_v", got.out[GRAD_V], want.out[GRAD_V], x.tile.keys, x.tile.DV);
            check_distances(&x, got.tile.distance_sums, want.tile.distance_sums);
            destroy_results(&want);
            destroy_results(&got);
            destroy_inputs(&x);
        }
    }
}

/* The keys' rows of a gradient, filled with one number. */
static void fill(const backward_tile *t, float *rows, int64_t columns, float x)
{
    for (int64_t n = 0; n < t->keys; n++)
        for (int64_t c = 0; c < columns; c++) rows[n * (columns + GAP) + c] = x;
}

static void assert_same_rows(const inputs *x, const float *got, const float *want, int64_t columns)
{
    const size_t bytes = (size_t)(GAP + x->tile.keys * (columns + GAP)) * sizeof(float);
    if (memcmp(got, want, bytes)) fail_msg("seed %llu", (unsigned long long)x->seed);
}

static void one_query_writes_what_it_adds_to_zeros(void **state)
{
    (void)state;
    for (int level = CPU_SCALAR; level <= (int)cpu_detect()->found; level++) {
        kernel_table table;
        kernels_fill(&table, (cpu_level)level);
        for (uint64_t seed = 0; seed < 300; seed += 6) {
            inputs x = make_inputs(seed);
            results y[2];
            for (int writes = 0; writes < 2; writes++) {
                y[writes] = prepare_results(&x);
                backward_tile *t = &y[writes].tile;
                fill(t, t->grad_k, t->D, writes ? NAN : 0);
                fill(t, t->grad_v, t->DV, writes ? NAN : 0);
                t->writes_keys = writes;
                table.backward.begin(t);
                table.backward.scores(t);
                table.backward.products(t);
            }
            assert_same_rows(&x, y[1].out[GRAD_K], y[0].out[GRAD_K], x.tile.D);
            assert_same_rows(&x, y[1].out[GRAD_V], y[0].out[GRAD_V], x.tile.DV);
            destroy_results(&y[0]);
            destroy_results(&y[1]);
            destroy_inputs(&x);
        }
    }
}

static void finite_rows_are_told_from_others(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int level = CPU_SCALAR; level <= (int)cpu_detect()->found; level++) {
        kernel_table table;
        kernels_fill(&table, (cpu_level)level);
        for (int64_t columns = 1; columns < 40; columns++) {
            float *rows = random_rows((uint64_t)columns, 3, columns);
            assert_true(table.backward.rows_finite(rows, columns + GAP, 3, columns));
            rows[columns] = NAN; /* in the gap */
            assert_true(table.backward.rows_finite(rows, columns + GAP, 3, columns));
            rows[2 * (columns + GAP) + columns - 1] = bad[columns % 3];
            assert_false(table.backward.rows_finite(rows, columns + GAP, 3, columns));
            free(rows);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_set_agrees_with_its_twin),
                                       cmocka_unit_test(one_query_writes_what_it_adds_to_zeros),
                                       cmocka_unit_test(finite_rows_are_told_from_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
