#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "input/text_infilling.h"

#include <stdlib.h>
#include <string.h>

enum { TEXTS = 40, EOS = 0, MASK = 1, BOS = 2 };

/* Text i holds <s>, i * 5 pieces, 10, 11, 12, ..., and </s>. */
static token_side make_texts(void)
{
    token_side s = {malloc(TEXTS * 210 * sizeof(int32_t)), malloc((TEXTS + 1) * sizeof(int64_t))};
    s.start[0] = 0;
    for (int64_t i = 0; i < TEXTS; i++) {
        s.start[i + 1] = s.start[i] + 5 * i + 2;
        s.ids[s.start[i]] = BOS;
        for (int64_t j = 0; j < 5 * i; j++) s.ids[s.start[i] + 1 + j] = (int32_t)(10 + j);
        s.ids[s.start[i] + 1 + 5 * i] = EOS;
    }
    return s;
}

/* The target is a run of the text; the source is the target with pieces replaced, in order. Returns the pieces that the
 * source kept. */
static int64_t check_pair(const token_pairs *p, int64_t i, int64_t pieces)
{
    const int32_t *source = p->source.ids + p->source.start[i], *target = p->target.ids + p->target.start[i];
    int64_t source_length = token_side_length(&p->source, i), target_length = token_side_length(&p->target, i);
    int64_t window = pieces < TEXT_INFILLING_WINDOW ? pieces : TEXT_INFILLING_WINDOW;
    assert_int_equal(target_length, window + 2);
    assert_true(*source++ == BOS && *target++ == BOS);
    source_length--;
    assert_int_equal(target[window], EOS);
    assert_int_equal(source[source_length - 1], EOS);
    assert_true(source_length <= target_length - 1);
    for (int64_t j = 0; j < window; j++) assert_int_equal(target[j], target[0] + j);
    assert_true(window == 0 || (target[0] >= 10 && target[window - 1] < 10 + pieces));
    int64_t kept = 0, at = 0;
    for (int64_t j = 0; j < source_length - 1; j++) {
        if (source[j] == MASK) continue;
        while (at < window && target[at] != source[j]) at++;
        assert_true(at < window);
        kept++;
    }
    return kept;
}

static void masks_about_a_quarter(void **state)
{
    (void)state;
    token_side texts = make_texts();
    int64_t chosen[TEXTS], kept = 0, whole = 0;
    for (int64_t i = 0; i < TEXTS; i++) chosen[i] = TEXTS - 1 - i;
    for (uint64_t key = 1; key <= 20; key++) {
        token_pairs p;
        assert_int_equal(text_infilling_make(&p, &texts, chosen, TEXTS, 1, MASK, key), ATTN_OK);
        assert_int_equal(p.count, TEXTS);
        for (int64_t i = 0; i < TEXTS; i++) {
            kept += check_pair(&p, i, 5 * chosen[i]);
            whole += token_side_length(&p.target, i) - 2;
        }
        token_pairs_clear(&p);
    }
    double masked = 1 - (double)kept / (double)whole;
    if (masked < 0.2 || masked > 0.3) fail_msg("%g of the pieces are masked", masked);
    free(texts.ids);
    free(texts.start);
}

static void is_a_function_of_its_key(void **state)
{
    (void)state;
    token_side texts = make_texts();
    const int64_t chosen[] = {30, 30};
    token_pairs a, b, other;
    assert_int_equal(text_infilling_make(&a, &texts, chosen, 2, 1, MASK, 5), ATTN_OK);
    assert_int_equal(text_infilling_make(&b, &texts, chosen, 2, 1, MASK, 5), ATTN_OK);
    assert_int_equal(text_infilling_make(&other, &texts, chosen, 2, 1, MASK, 6), ATTN_OK);
    size_t bytes = (size_t)a.source.start[2] * sizeof(int32_t);
    assert_int_equal(a.source.start[2], b.source.start[2]);
    assert_memory_equal(a.source.ids, b.source.ids, bytes);
    assert_true(other.source.start[2] != a.source.start[2] || memcmp(a.source.ids, other.source.ids, bytes) != 0);
    int64_t first = a.source.start[1];
    assert_true(a.source.start[2] != 2 * first ||
                memcmp(a.source.ids, a.source.ids + first, (size_t)first * sizeof(int32_t)) != 0);
    token_pairs_clear(&a);
    token_pairs_clear(&b);
    token_pairs_clear(&other);
    free(texts.ids);
    free(texts.start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_about_a_quarter),
        cmocka_unit_test(is_a_function_of_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
