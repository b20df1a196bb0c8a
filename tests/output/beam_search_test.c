#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "output/search.h"
#include "output/top_candidates.h"
#include "output/worthwhile_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VOCABULARY 7
#define EOS 0
#define PAD 6
#define LONGEST 6

/* A model without weights: the next logits are a pure function of the sequence's key and of all tokens so far, so that
 * a search that confuses two rows gets other numbers. */
typedef struct toy {
    uint64_t keys[16];
    uint64_t *histories, *scratch; /* of each row */
    float *logits;
    int64_t calls, rows_seen, rows_asked;
} toy;

static void toy_logits(uint64_t history, float *logits)
{
    for (int v = 0; v < VOCABULARY; v++) {
        random_block r = random_philox(history, (uint64_t)v, 1);
        logits[v] = 4 * random_unit(r.word[0]) - (v == EOS ? 0.5f : 0);
    }
}

static attn_status toy_step(void *model, const int32_t *ids, const int64_t *from, const int64_t *sequence_of,
                            int64_t rows, int64_t position)
{
    toy *m = model;
    for (int64_t r = 0; r < rows; r++) {
        uint64_t before = position ? m->histories[from[r]] : m->keys[sequence_of[r]];
        m->scratch[r] = random_derive(before, (uint64_t)ids[r]);
    }
    uint64_t *swap = m->histories;
    m->histories = m->scratch;
    m->scratch = swap;
    m->calls++;
    m->rows_seen += rows;
    return ATTN_OK;
}

static attn_status toy_give_logits(void *model, const int64_t *rows, int64_t count, float **logits)
{
    toy *m = model;
    for (int64_t i = 0; i < count; i++) toy_logits(m->histories[rows[i]], m->logits + i * VOCABULARY);
    m->rows_asked += count;
    *logits = m->logits;
    return ATTN_OK;
}

static toy toy_create(uint64_t seed, int64_t batch, int64_t beam)
{
    toy m = {0};
    for (int64_t i = 0; i < 16; i++) m.keys[i] = random_derive(seed, (uint64_t)i);
    size_t rows = (size_t)(batch * beam);
    m.histories = calloc(rows, sizeof *m.histories);
    m.scratch = calloc(rows, sizeof *m.scratch);
    m.logits = calloc(rows * VOCABULARY, sizeof *m.logits);
    assert_true(m.histories && m.scratch && m.logits);
    return m;
}

static void toy_destroy(toy *m)
{
    free(m->histories);
    free(m->scratch);
    free(m->logits);
}

static void decode(uint64_t seed, int64_t first, int64_t batch, search_options o, int64_t longest, hypothesis *results)
{
    toy m = toy_create(seed, batch, o.beam);
    memmove(m.keys, m.keys + first, (size_t)batch * sizeof *m.keys);
    search_model model = {&m, toy_step, toy_give_logits, VOCABULARY, PAD, EOS, PAD, {0}};
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

/* A row is left out when as many continuations as the beam is wide are more probable than itself; those that end, and
 * one that is as probable, do not count. */
static void hopeless_rows_are_not_asked_for(void **state)
{
    (void)state;
    enum { ROWS = 4, WIDTH = 3, BEAM = 2 };
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

static void finished_sequences_leave_the_batch(void **state)
{
    (void)state;
    toy m = toy_create(9, 16, 1);
    search_model model = {&m, toy_step, toy_give_logits, VOCABULARY, PAD, EOS, PAD, {0}};
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

static void refuses_bad_options_and_logits(void **state)
{
    (void)state;
    toy m = toy_create(1, 1, 1);
    search_model model = {&m, toy_step, toy_give_logits, VOCABULARY, PAD, EOS, PAD, {0}};
    int64_t length = 3, none = 0;
    hypothesis h;
    assert_int_equal(search_decode(&model, &(search_options){0, 1, 1, 1}, 1, &length, &h), ATTN_ERROR_ARGUMENT);
    assert_int_equal(search_decode(&model, &(search_options){257, 1, 1, 1}, 1, &length, &h), ATTN_ERROR_ARGUMENT);
    assert_int_equal(search_decode(&model, &(search_options){2, 3, 1, 1}, 1, &length, &h), ATTN_ERROR_ARGUMENT);
    assert_int_equal(search_decode(&model, &(search_options){2, 1, NAN, 1}, 1, &length, &h), ATTN_ERROR_ARGUMENT);
    assert_int_equal(search_decode(&model, &(search_options){2, 1, 1, 1}, 1, &none, &h), ATTN_ERROR_ARGUMENT);
    toy_destroy(&m);
}

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

/* Beams of every width keep to what the limits say, and n-grams count the start id. */
static void keeps_to_the_limits(void **state)
{
    (void)state;
    const search_limits limits = {.forces_first = true, .first_id = 3, .min_length = 4, .distinct_ngrams = 2};
    for (int64_t beam = 1; beam <= 4; beam++) {
        toy m = toy_create((uint64_t)beam, 8, beam);
        search_model model = {&m, toy_step, toy_give_logits, VOCABULARY, PAD, EOS, PAD, limits};
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
            search_model model = {&m, toy_step, toy_give_logits, VOCABULARY, PAD, EOS, PAD, {0}};
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
    search_model model = {
        &m, toy_step, toy_give_logits, VOCABULARY, PAD, EOS, PAD, {.min_length = 100, .distinct_ngrams = 1}};
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
        cmocka_unit_test(candidates_are_the_largest),
        cmocka_unit_test(normaliser_is_the_log_of_the_sum),
        cmocka_unit_test(a_wide_beam_finds_the_best_of_all),
        cmocka_unit_test(scores_add_up),
        cmocka_unit_test(beam_one_is_greedy),
        cmocka_unit_test(neighbours_change_nothing),
        cmocka_unit_test(hopeless_rows_are_not_asked_for),
        cmocka_unit_test(finished_sequences_leave_the_batch),
        cmocka_unit_test(refuses_bad_options_and_logits),
        cmocka_unit_test(keeps_to_the_limits),
        cmocka_unit_test(forces_the_last_token),
        cmocka_unit_test(ends_when_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
