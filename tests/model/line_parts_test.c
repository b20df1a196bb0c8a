#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"
#include "model/length_batches.h"
#include "model/line_parts.h"

#include <stdlib.h>
#include <string.h>

static int open_tokenizer(void **state)
{
    tokenizer *k;
    assert_int_equal(tokenizer_open(&k, MARIAN_FIXTURES "/shared"), ATTN_OK);
    *state = k;
    return 0;
}

static int close_tokenizer(void **state)
{
    tokenizer_destroy(*state);
    return 0;
}

static line_parts cut(const tokenizer *k, const char *text, int64_t longest)
{
    line_parts p;
    assert_int_equal(line_parts_cut(&p, k, text, strlen(text), longest), ATTN_OK);
    for (int64_t i = 0; i < p.count; i++) assert_in_range(p.items[i].length, 2, longest);
    return p;
}

/* The line's parts are the pieces of these texts. */
static void assert_parts(const tokenizer *k, const char *text, int64_t longest, int count, const char *const *texts)
{
    line_parts p = cut(k, text, longest);
    assert_int_equal(p.count, count);
    for (int i = 0; i < count; i++) {
        int32_t *ids;
        int64_t length;
        assert_int_equal(tokenizer_encode(k, TOKENIZER_SOURCE, texts[i], strlen(texts[i]), &ids, &length), ATTN_OK);
        assert_int_equal(p.items[i].length, length);
        assert_memory_equal(p.items[i].ids, ids, (size_t)length * sizeof *ids);
        free(ids);
    }
    line_parts_clear(&p);
}

static void short_lines_stay_whole(void **state)
{
    assert_parts(*state, "a cat. a dog.", 32, 1, (const char *const[]){"a cat. a dog."});
    assert_parts(*state, "", 32, 0, NULL);
    assert_parts(*state, " \t\xc2\xa0 ", 32, 0, NULL);
}

static void long_lines_end_with_their_sentences(void **state)
{
    assert_parts(*state, "the cat sat. \"the dog ran!\" where is 3.14 now?", 26, 3,
                 (const char *const[]){"the cat sat. ", "\"the dog ran!\" ", "where is 3.14 now?"});
    /* No space follows a wide full stop. */
    assert_parts(*state,
                 "aaa bbb ccc\xe3\x80\x82"
                 "ddd eee fff\xe3\x80\x82",
                 20, 2, (const char *const[]){"aaa bbb ccc\xe3\x80\x82", "ddd eee fff\xe3\x80\x82"});
}

static void long_sentences_are_halved_where_it_hurts_least(void **state)
{
    assert_parts(*state, "aaa bbb ccc, ddd eee fff", 20, 2, (const char *const[]){"aaa bbb ccc, ", "ddd eee fff"});
    line_parts p = cut(*state, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", 8);
    assert_true(p.count > 4);
    for (int64_t i = 0; i < p.count; i++) assert_false(p.items[i].space_after);
    line_parts_clear(&p);
}

static void no_character_is_lost(void **state)
{
    char text[4001];
    for (int i = 0; i < 4000; i++) text[i] = i % 97 == 96 ? '.' : i % 7 == 6 ? ' ' : (char)('a' + i % 26);
    text[4000] = 0;
    int32_t *ids;
    int64_t whole, sum = 0;
    assert_int_equal(tokenizer_encode(*state, TOKENIZER_SOURCE, text, 4000, &ids, &whole), ATTN_OK);
    free(ids);
    line_parts p = cut(*state, text, 32);
    for (int64_t i = 0; i < p.count; i++) sum += p.items[i].length - 1;
    assert_in_range(sum, whole - 1, whole - 1 + p.count); /* a cut can split a piece, or begin one with a space */
    line_parts_clear(&p);
}

static void what_is_no_text_is_named(void **state)
{
    static const struct {
        const char *text;
        size_t bytes;
        const char *message;
    } none[] = {{"ab\xff", 3, "invalid UTF-8: byte 0xff at column 3"},
                {"ab\0c", 4, "a NUL byte at column 3, expected text"},
                {NULL, 5, "a text of 5 bytes at NULL, expected bytes"}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        line_parts p;
        assert_int_equal(line_parts_cut(&p, *state, none[i].text, none[i].bytes, 32), ATTN_ERROR_FORMAT);
        assert_string_equal(status_message(), none[i].message);
        assert_int_equal(line_parts_truncate(&p, *state, none[i].text, none[i].bytes, 32), ATTN_ERROR_FORMAT);
        line_parts_clear(&p);
    }
    line_parts p = cut(*state, "", 32);
    assert_int_equal(p.count, 0);
    assert_int_equal(line_parts_cut(&p, *state, NULL, 0, 32), ATTN_OK);
}

static void batches_hold_every_item_once(void **state)
{
    (void)state;
    int64_t lengths[100], seen[100] = {0};
    for (int i = 0; i < 100; i++) lengths[i] = i * 37 % 50;
    length_batches b;
    assert_int_equal(length_batches_create(&b, lengths, 100, 16, 200, 3), ATTN_OK);
    int64_t before = 50;
    for (int64_t i = 0; i < b.count; i++) {
        int64_t count = b.start[i + 1] - b.start[i], longest = lengths[b.order[b.start[i]]];
        assert_in_range(count, 1, 16);
        assert_true(count == 1 || count * longest <= 200);
        for (int64_t j = b.start[i]; j < b.start[i + 1]; j++) {
            seen[b.order[j]]++;
            assert_true(lengths[b.order[j]] <= before);
            before = lengths[b.order[j]];
        }
    }
    for (int i = 0; i < 100; i++) assert_int_equal(seen[i], 1);
    length_batches_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_lines_stay_whole),
        cmocka_unit_test(long_lines_end_with_their_sentences),
        cmocka_unit_test(long_sentences_are_halved_where_it_hurts_least),
        cmocka_unit_test(no_character_is_lost),
        cmocka_unit_test(what_is_no_text_is_named),
        cmocka_unit_test(batches_hold_every_item_once),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
