/* The candidates of a row of logits, and which rows are worth asking for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "output/top_candidates.h"
#include "output/worthwhile_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_logit(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->log_probability != y->log_probability) return x->log_probability < y->log_probability ? 1 : -1;
    return x->id - y->id;
}

static void candidates_are_the_largest(void **state)
{
    (void)state;
    const int64_t sizes[] = {1, 2, 15, 16, 17, 63, 64, 65, 1000, 8000, 65536, 70001};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t size = sizes[s];
        float *logits = malloc((size_t)size * sizeof *logits);
        candidate *all = malloc((size_t)size * sizeof *all), top[TOP_CANDIDATES_MAX];
        assert_true(logits && all);
        for (int64_t count = 1; count <= TOP_CANDIDATES_MAX; count = count * 3 + 1) {
            int32_t banned = count % 2 ? (int32_t)(size / 2) : -1;
            for (int64_t v = 0; v < size; v++) {
                /* Steps of 1/8 make ties. */
                logits[v] = floorf(160 * random_unit(random_philox(5, (uint64_t)v, (uint64_t)count).word[0])) / 8 - 10;
                all[v] = (candidate){v == banned ? -INFINITY : logits[v], (int32_t)v};
            }
            if (banned >= 0) logits[banned] = 11;
            double normaliser = log_normaliser(logits, size);
            const int32_t twice[] = {banned, banned};
            qsort(all, (size_t)size, sizeof *all, by_logit);
            int64_t held = top_candidates(logits, size, twice, banned >= 0 ? 2 : 0, count, top);
            int64_t want = size - (banned >= 0) < count ? size - (banned >= 0) : count;
            assert_int_equal(held, want);
            for (int64_t i = 0; i < held; i++) {
                assert_int_equal(top[i].id, all[i].id);
                double log_p = (double)all[i].log_probability - normaliser;
                assert_true(fabs((double)top[i].log_probability - log_p) < 1e-5);
            }
        }
        free(logits);
        free(all);
    }
}

static void normaliser_is_the_log_of_the_sum(void **state)
{
    (void)state;
    float logits[1003];
    for (int scale = 0; scale <= 100; scale += 10) {
        double sum = 0, largest = -INFINITY;
        for (int v = 0; v < 1003; v++) {
            logits[v] = (float)scale * (2 * random_unit(random_philox(3, (uint64_t)v, (uint64_t)scale).word[0]) - 1);
            largest = (double)logits[v] > largest ? (double)logits[v] : largest;
        }
        for (int v = 0; v < 1003; v++) sum += exp((double)logits[v] - largest);
        assert_true(fabs(log_normaliser(logits, 1003) - (largest + log(sum))) < 1e-6);
    }
    const float bad[] = {NAN, INFINITY};
    for (int i = 0; i < 2; i++) {
        candidate top[2];
        for (int at = 0; at < 1003; at += 334) {
            float old = logits[at];
            logits[at] = bad[i];
            assert_int_equal(top_candidates(logits, 1003, NULL, 0, 2, top), -1);
            logits[at] = old;
        }
    }
}

/* A row is left out when as many continuations as the beam is wide are more probable than itself; those that end, and
 * one that is as probable, do not count. */
static void hopeless_rows_are_not_asked_for(void **state)
{
    (void)state;
    enum { ROWS = 4, WIDTH = 3, BEAM = 2, EOS = 0 };
    const int64_t sequence_of[ROWS] = {0, 0, 0, 1};
    double log_probabilities[ROWS] = {-1, -0.5, -1.5, -2};
    candidate candidates[ROWS * WIDTH] = {0};
    int64_t counts[ROWS] = {0}, order[ROWS], chosen[ROWS];
    const step_rows rows = {ROWS, sequence_of, log_probabilities, candidates, counts, WIDTH, BEAM, EOS};
    most_probable_first(&rows, order);
    const int64_t expected[ROWS] = {1, 0, 2, 3};
    assert_memory_equal(order, expected, sizeof expected);
    assert_int_equal(worthwhile_rows(&rows, order, 0, 1, chosen), 2);
    assert_true(chosen[0] == 1 && chosen[1] == 3);
    memcpy(candidates + WIDTH, (candidate[]){{-0.125f, 5}, {-0.25f, EOS}, {-3, 2}}, WIDTH * sizeof *candidates);
    counts[1] = 3;
    assert_int_equal(worthwhile_rows(&rows, order, 1, 1, chosen), 1);
    assert_int_equal(chosen[0], 0);
    candidates[0] = (candidate){-0.5f, 4};
    counts[0] = 1;
    assert_int_equal(worthwhile_rows(&rows, order, 2, 1, chosen), 1);
    log_probabilities[2] = -1.75;
    assert_int_equal(worthwhile_rows(&rows, order, 2, 1, chosen), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_the_largest),
        cmocka_unit_test(normaliser_is_the_log_of_the_sum),
        cmocka_unit_test(hopeless_rows_are_not_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
