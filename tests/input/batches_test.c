#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "input/batches.h"

#include <stdlib.h>
#include <string.h>

#define PAIRS 1000

static void make_side(token_side *s, uint64_t key, int64_t longest)
{
    s->start = malloc((PAIRS + 1) * sizeof *s->start);
    s->ids = malloc((size_t)(PAIRS * longest) * sizeof *s->ids);
    s->start[0] = 0;
    for (int64_t i = 0; i < PAIRS; i++) {
        int64_t length = 1 + random_philox(key, (uint64_t)i, 0).word[0] % longest;
        s->start[i + 1] = s->start[i] + length;
        for (int64_t j = 0; j < length; j++)
            s->ids[s->start[i] + j] = j == length - 1 ? 0 : (int32_t)(2 + (i * 7 + j) % 90);
    }
}

static token_pairs make_pairs(void)
{
    token_pairs p = {.count = PAIRS};
    make_side(&p.source, 1, 40);
    make_side(&p.target, 2, 50);
    return p;
}

static void every_pair_stands_in_one_batch(void **state)
{
    (void)state;
    token_pairs p = make_pairs();
    for (uint64_t key = 0; key < 5; key++) {
        batch_plan plan;
        bool seen[PAIRS] = {false};
        assert_int_equal(batch_plan_create(&plan, &p, 600, key), ATTN_OK);
        assert_int_equal(plan.start[plan.count], PAIRS);
        for (int64_t i = 0; i < PAIRS; i++) {
            assert_false(seen[plan.order[i]]);
            seen[plan.order[i]] = true;
        }
        batch_plan_clear(&plan);
    }
    token_pairs_clear(&p);
}

static void an_epoch_is_a_function_of_its_key(void **state)
{
    (void)state;
    token_pairs p = make_pairs();
    batch_plan a, b, c;
    assert_int_equal(batch_plan_create(&a, &p, 600, 7), ATTN_OK);
    assert_int_equal(batch_plan_create(&b, &p, 600, 7), ATTN_OK);
    assert_int_equal(batch_plan_create(&c, &p, 600, 8), ATTN_OK);
    assert_memory_equal(a.order, b.order, PAIRS * sizeof *a.order);
    assert_memory_not_equal(a.order, c.order, PAIRS * sizeof *a.order);
    batch_plan_clear(&a);
    batch_plan_clear(&b);
    batch_plan_clear(&c);
    token_pairs_clear(&p);
}

static void batches_are_padded_rectangles(void **state)
{
    (void)state;
    token_pairs p = make_pairs();
    batch_plan plan;
    batch b = {0};
    int64_t tokens = 0;
    assert_int_equal(batch_plan_create(&plan, &p, 600, 3), ATTN_OK);
    for (int64_t i = 0; i < plan.count; i++) {
        assert_int_equal(batch_fill(&b, &plan, i, &p, 99, 98), ATTN_OK);
        assert_true(b.count == 1 || b.count * (b.source_length + b.target_length) <= 600);
        tokens += b.tokens;
        for (int64_t r = 0; r < b.count; r++) {
            const int32_t *source = b.source + r * b.source_length;
            for (int64_t j = 0; j < b.source_length; j++) assert_int_equal(source[j] == 99, j >= b.source_lengths[r]);
            const int32_t *input = b.decoder_input + r * b.target_length, *expected = b.expected + r * b.target_length;
            assert_int_equal(input[0], 98);
            for (int64_t j = 1; j < b.target_length; j++) {
                if (expected[j] >= 0)
                    assert_int_equal(input[j], expected[j - 1]);
                else
                    assert_int_equal(input[j], 99);
            }
        }
    }
    assert_int_equal(tokens, p.source.start[PAIRS] + p.target.start[PAIRS]);
    batch_clear(&b);
    batch_plan_clear(&plan);
    token_pairs_clear(&p);
}

static void a_pair_longer_than_a_batch_stands_alone(void **state)
{
    (void)state;
    token_pairs p = make_pairs();
    batch_plan plan;
    assert_int_equal(batch_plan_create(&plan, &p, 1, 3), ATTN_OK);
    assert_int_equal(plan.count, PAIRS);
    batch_plan_clear(&plan);
    token_pairs_clear(&p);
}

static void no_pairs_make_no_batches(void **state)
{
    (void)state;
    int64_t zero = 0;
    token_pairs p = {.source.start = &zero, .target.start = &zero};
    batch_plan plan;
    assert_int_equal(batch_plan_create(&plan, &p, 100, 3), ATTN_OK);
    assert_int_equal(plan.count, 0);
    batch_plan_clear(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_stands_in_one_batch), cmocka_unit_test(an_epoch_is_a_function_of_its_key),
        cmocka_unit_test(batches_are_padded_rectangles),  cmocka_unit_test(a_pair_longer_than_a_batch_stands_alone),
        cmocka_unit_test(no_pairs_make_no_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
