/* Searches whose results are limited: tokens that are forced, lengths, n-grams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "toy_model.h"

#include <string.h>

/* Beams of every width keep to what the limits say, and n-grams count the start id. */
static void keeps_to_the_limits(void **state)
{
    (void)state;
    const search_limits limits = {.forces_first = true, .first_id = 3, .min_length = 4, .distinct_ngrams = 2};
    for (int64_t beam = 1; beam <= 4; beam++) {
        toy m = toy_create((uint64_t)beam, 8, beam);
        search_model model = toy_model(&m, limits);
        const int64_t longest[] = {9, 9, 9, 9, 9, 9, 9, 9};
        hypothesis h[8];
        assert_int_equal(search_decode(&model, &(search_options){beam, 1, 1, 1}, 8, longest, h), ATTN_OK);
        for (int i = 0; i < 8; i++) {
            assert_int_equal(h[i].ids[0], 3);
            assert_true(h[i].length >= 4); /* with the start id before them: </s> is the fifth at the soonest */
            int32_t ids[10] = {PAD};
            memcpy(ids + 1, h[i].ids, (size_t)h[i].length * sizeof *ids);
            for (int64_t a = 0; a < h[i].length; a++) {
                for (int64_t b = 0; b < a; b++) assert_true(ids[a] != ids[b] || ids[a + 1] != ids[b + 1]);
            }
        }
        hypotheses_clear(h, 8);
        toy_destroy(&m);
    }
}

/* What reaches the last length ends there, with the probability that it had before; what ends sooner is what it was. */
static void forces_the_last_token(void **state)
{
    (void)state;
    const int64_t longest[] = {5, 5, 5, 5, 5, 5, 5, 5};
    int forced = 0;
    for (int64_t beam = 1; beam <= 4; beam++) {
        hypothesis h[8], h_free[8];
        for (int with = 0; with < 2; with++) {
            toy m = toy_create((uint64_t)beam, 8, beam);
            search_model model = toy_model(&m, (search_limits){0});
            if (with) model.limits = (search_limits){.forces_last = true, .last_id = EOS, .last_length = 6};
            assert_int_equal(search_decode(&model, &(search_options){beam, 1, 0, 1}, 8, longest, with ? h : h_free),
                             ATTN_OK);
            toy_destroy(&m);
        }
        for (int i = 0; i < 8; i++) {
            assert_int_equal(h[i].ids[h[i].length - 1], EOS);
            if (beam > 1) continue;
            const bool ended = h_free[i].ids[h_free[i].length - 1] == EOS && h_free[i].length < 5;
            assert_int_equal(h[i].length, h_free[i].length);
            assert_memory_equal(h[i].ids, h_free[i].ids, (size_t)(h[i].length - 1) * sizeof *h->ids);
            if (ended) assert_true(h[i].log_probability == h_free[i].log_probability);
            if (!ended) assert_true(h[i].log_probability > h_free[i].log_probability);
            forced += !ended;
        }
        hypotheses_clear(h, 8);
        hypotheses_clear(h_free, 8);
    }
    assert_true(forced > 0 && forced < 8);
}

/* With every id banned but the one that ends, it ends. */
static void ends_when_nothing_is_left(void **state)
{
    (void)state;
    toy m = toy_create(1, 1, 1);
    search_model model = toy_model(&m, (search_limits){.min_length = 100, .distinct_ngrams = 1});
    const int64_t longest = 50;
    hypothesis h;
    assert_int_equal(search_decode(&model, &(search_options){1, 1, 1, 1}, 1, &longest, &h), ATTN_OK);
    assert_int_equal(h.length, VOCABULARY - 1);
    assert_int_equal(h.ids[h.length - 1], EOS);
    hypotheses_clear(&h, 1);
    toy_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_to_the_limits),
        cmocka_unit_test(forces_the_last_token),
        cmocka_unit_test(ends_when_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
