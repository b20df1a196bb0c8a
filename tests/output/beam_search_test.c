/* Beam search against every string of tokens that there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "toy_model.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

#define LONGEST 6

static void decode(uint64_t seed, int64_t first, int64_t batch, search_options o, int64_t longest, hypothesis *results)
{
    toy m = toy_create(seed, batch, o.beam);
    memmove(m.keys, m.keys + first, (size_t)batch * sizeof *m.keys);
    search_model model = toy_model(&m, (search_limits){0});
    int64_t max_lengths[16];
    for (int64_t i = 0; i < batch; i++) max_lengths[i] = longest;
    assert_int_equal(search_decode(&model, &o, batch, max_lengths, results), ATTN_OK);
    toy_destroy(&m);
}

static double log_probability(const float *logits, int32_t id)
{
    double sum = 0;
    for (int v = 0; v < VOCABULARY; v++) sum += exp((double)logits[v]);
    return (double)logits[id] - log(sum);
}

/* The best score of all token strings that end, or that are cut at LONGEST. */
static double exhaustive(uint64_t history, double sum, int64_t length, double normalize)
{
    float logits[VOCABULARY];
    double best = -INFINITY;
    toy_logits(history, logits);
    for (int32_t v = 0; v < VOCABULARY; v++) {
        if (v == PAD) continue;
        double total = sum + log_probability(logits, v), score;
        bool ends = v == EOS || length + 1 == LONGEST;
        score = ends ? total / pow((double)(length + 1), normalize)
                     : exhaustive(random_derive(history, (uint64_t)v), total, length + 1, normalize);
        best = score > best ? score : best;
    }
    return best;
}

static void a_wide_beam_finds_the_best_of_all(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        toy m = toy_create(seed, 1, 1);
        hypothesis h;
        /* Without length normalization no live hypothesis can overtake a better finished one: the search is exact once
         * its beam holds everything. */
        decode(seed, 0, 1, (search_options){256, 1, 0, 1}, LONGEST, &h);
        uint64_t start = random_derive(m.keys[0], PAD);
        double best = exhaustive(start, 0, 0, 0);
        assert_true(fabs((double)h.score - best) < 1e-5);
        hypotheses_clear(&h, 1);
        toy_destroy(&m);
    }
}

static void scores_add_up(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        toy m = toy_create(seed, 1, 1);
        hypothesis h[4];
        decode(seed, 0, 1, (search_options){4, 4, 0.7f, 1}, LONGEST, h);
        for (int n = 0; n < 4 && h[n].ids; n++) {
            uint64_t history = random_derive(m.keys[0], PAD);
            double sum = 0;
            for (int64_t i = 0; i < h[n].length; i++) {
                float logits[VOCABULARY];
                toy_logits(history, logits);
                sum += log_probability(logits, h[n].ids[i]);
                history = random_derive(history, (uint64_t)h[n].ids[i]);
                assert_true(h[n].ids[i] != PAD);
                assert_true((h[n].ids[i] == EOS) <= (i == h[n].length - 1));
            }
            assert_true(fabs(sum - (double)h[n].log_probability) < 1e-5);
            assert_true(fabs(sum / pow((double)h[n].length, 0.7) - (double)h[n].score) < 1e-5);
            assert_true(n == 0 || h[n].score <= h[n - 1].score);
        }
        hypotheses_clear(h, 4);
        toy_destroy(&m);
    }
}

static void beam_one_is_greedy(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        toy m = toy_create(seed, 1, 1);
        hypothesis h;
        decode(seed, 0, 1, (search_options){1, 1, 1, 1}, 30, &h);
        uint64_t history = random_derive(m.keys[0], PAD);
        int64_t length = 0;
        for (int32_t id = -1; id != EOS && length < 30; length++) {
            float logits[VOCABULARY];
            toy_logits(history, logits);
            id = 0;
            for (int32_t v = 1; v < PAD; v++) id = logits[v] > logits[id] ? v : id;
            assert_true(length < h.length);
            assert_int_equal(h.ids[length], id);
            history = random_derive(history, (uint64_t)id);
        }
        assert_int_equal(h.length, length);
        hypotheses_clear(&h, 1);
        toy_destroy(&m);
    }
}

static void neighbours_change_nothing(void **state)
{
    (void)state;
    for (int64_t beam = 1; beam <= 5; beam += 2) {
        hypothesis together[16], alone;
        decode(9, 0, 16, (search_options){beam, 1, 1, 2}, 40, together);
        for (int64_t i = 0; i < 16; i++) {
            decode(9, i, 1, (search_options){beam, 1, 1, 1}, 40, &alone);
            assert_int_equal(alone.length, together[i].length);
            assert_memory_equal(alone.ids, together[i].ids, (size_t)alone.length * sizeof *alone.ids);
            assert_true(alone.score == together[i].score);
            hypotheses_clear(&alone, 1);
        }
        hypotheses_clear(together, 16);
    }
}

static void finished_sequences_leave_the_batch(void **state)
{
    (void)state;
    toy m = toy_create(9, 16, 1);
    search_model model = toy_model(&m, (search_limits){0});
    search_options o = {1, 1, 1, 1};
    int64_t max_lengths[16], tokens = 0, longest = 0;
    hypothesis h[16];
    for (int i = 0; i < 16; i++) max_lengths[i] = 1 + i;
    assert_int_equal(search_decode(&model, &o, 16, max_lengths, h), ATTN_OK);
    for (int i = 0; i < 16; i++) {
        assert_true(h[i].length <= max_lengths[i]);
        tokens += h[i].length;
        longest = h[i].length > longest ? h[i].length : longest;
    }
    assert_int_equal(m.rows_seen, tokens);
    assert_int_equal(m.rows_asked, tokens);
    assert_int_equal(m.calls, longest);
    hypotheses_clear(h, 16);
    toy_destroy(&m);
}

static hypothesis first_of(uint64_t seed, search_options o, search_stopping stopping)
{
    toy m = toy_create(seed, 1, o.beam);
    search_model model = toy_model(&m, (search_limits){.stopping = stopping});
    const int64_t longest = 12;
    hypothesis h[8];
    assert_int_equal(search_decode(&model, &o, 1, &longest, h), ATTN_OK);
    hypotheses_clear(h + 1, o.n_best - 1);
    toy_destroy(&m);
    return h[0];
}

/* What is given up early, since it is no result any more, ends the search neither sooner nor later. */
static void asking_for_fewer_gives_the_first_of_them(void **state)
{
    (void)state;
    const search_stopping rules[] = {STOPPING_FULL, STOPPING_LIKELY, STOPPING_SURE};
    for (int rule = 0; rule < 3; rule++)
        for (uint64_t seed = 0; seed < 1000; seed++)
            for (int64_t beam = 2; beam <= 4; beam += 1)
                for (int length = -1; length <= 2; length++) {
                    const float normalize = (float)length;
                    hypothesis one = first_of(seed, (search_options){beam, 1, normalize, 1}, rules[rule]);
                    hypothesis all = first_of(seed, (search_options){beam, beam, normalize, 1}, rules[rule]);
                    if (one.score != all.score || one.length != all.length)
                        fail_msg("rule %d, seed %d, beam %d, normalize %d: %g and %g", rule, (int)seed, (int)beam,
                                 length, one.score, all.score);
                    hypotheses_clear(&one, 1);
                    hypotheses_clear(&all, 1);
                }
}

static void refuses_bad_options_and_logits(void **state)
{
    (void)state;
    toy m = toy_create(1, 1, 1);
    search_model model = toy_model(&m, (search_limits){0});
    int64_t length = 3, none = 0;
    hypothesis h;
    assert_int_equal(search_decode(&model, &(search_options){0, 1, 1, 1}, 1, &length, &h), ATTN_ERROR_ARGUMENT);
    assert_int_equal(search_decode(&model, &(search_options){257, 1, 1, 1}, 1, &length, &h), ATTN_ERROR_ARGUMENT);
    assert_int_equal(search_decode(&model, &(search_options){2, 3, 1, 1}, 1, &length, &h), ATTN_ERROR_ARGUMENT);
    assert_int_equal(search_decode(&model, &(search_options){2, 1, NAN, 1}, 1, &length, &h), ATTN_ERROR_ARGUMENT);
    assert_int_equal(search_decode(&model, &(search_options){2, 1, 1, 1}, 1, &none, &h), ATTN_ERROR_ARGUMENT);
    toy_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_beam_finds_the_best_of_all),
        cmocka_unit_test(scores_add_up),
        cmocka_unit_test(beam_one_is_greedy),
        cmocka_unit_test(neighbours_change_nothing),
        cmocka_unit_test(finished_sequences_leave_the_batch),
        cmocka_unit_test(asking_for_fewer_gives_the_first_of_them),
        cmocka_unit_test(refuses_bad_options_and_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
