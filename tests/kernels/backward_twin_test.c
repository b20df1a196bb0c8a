/* Each instruction set's backward kernels against the scalar twin: the same random tile to both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backward_inputs.h"

#include <math.h>
#include <stdlib.h>

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
                                       cmocka_unit_test(finite_rows_are_told_from_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
