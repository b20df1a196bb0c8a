#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "output/class_scores.h"

#include <math.h>

/* confusion (labels, labels): answers by label expected and label found. */
static class_scores scores_of(const int64_t *confusion, int64_t labels)
{
    class_count counts[3] = {0};
    for (int64_t i = 0; i < labels; i++)
        for (int64_t j = 0; j < labels; j++)
            for (int64_t n = 0; n < confusion[i * labels + j]; n++) class_count_answer(counts, i, j);
    return class_scores_of(counts, labels);
}

/* By hand: F1 = 2 TP / (2 TP + FP + FN), as scikit-learn defines it. */
static void counts_by_definition(void **state)
{
    (void)state;
    const int64_t confusion[9] = {5, 1, 0, 2, 3, 1, 0, 0, 1};
    const class_scores s = scores_of(confusion, 3);
    assert_float_equal(s.accuracy, 900.0 / 13, 1e-4);
    assert_float_equal(s.macro_f1, 100 * (10.0 / 13 + 6.0 / 10 + 2.0 / 3) / 3, 1e-4);
}

static void leaves_out_classes_that_never_occur(void **state)
{
    (void)state;
    const int64_t confusion[9] = {4, 0, 0, 0, 0, 0, 2, 0, 4};
    const class_scores s = scores_of(confusion, 3);
    assert_float_equal(s.accuracy, 80, 1e-4);
    assert_float_equal(s.macro_f1, 80, 1e-4);
    const int64_t never_right[4] = {0, 3, 1, 0};
    assert_float_equal(scores_of(never_right, 2).macro_f1, 0, 0);
    const int64_t nothing[4] = {0};
    assert_true(isnan(scores_of(nothing, 2).accuracy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_definition),
        cmocka_unit_test(leaves_out_classes_that_never_occur),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
