#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/seq.h"
#include "view/label.h"

#include <stdlib.h>

static void expect_clean(const char *text, size_t most, const char *expected)
{
    char *clean = label_clean(text, most);
    assert_string_equal(clean, expected);
    free(clean);
}

static void cleans_what_a_terminal_would_obey(void **state)
{
    (void)state;
    expect_clean("\033[31mred\a\n", 100, " [31mred  ");
    expect_clean("a\xC2\x9B"
                 "b",
                 100, "a b"); /* the one-character CSI, U+009B */
    expect_clean("\xE2\x80\xAE"
                 "abc\xE2\x81\xA6",
                 100, " abc "); /* directional overrides */
    expect_clean("\x7F", 100, " ");
    expect_clean("a\xE2\x80\xA8"
                 "b",
                 100, "a b"); /* the line separator */
}

static void replaces_what_is_no_utf8(void **state)
{
    (void)state;
    expect_clean("a\xFF\xC3", 100, "a\xEF\xBF\xBD\xEF\xBF\xBD");
    expect_clean("\xED\xA0\x80", 100, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    expect_clean("\xC3\xA9t\xC3\xA9", 100, "\xC3\xA9t\xC3\xA9");
    expect_clean(NULL, 100, "");
}

static void cuts_with_an_ellipsis(void **state)
{
    (void)state;
    expect_clean("abcdef", 3, "abc\xE2\x80\xA6");
    expect_clean("abc", 3, "abc");
    expect_clean("\xC3\xA9\xC3\xA9\xC3\xA9", 2, "\xC3\xA9\xC3\xA9\xE2\x80\xA6");
    expect_clean("\xFF\xFF\xFF", 1, "\xEF\xBF\xBD\xE2\x80\xA6");
}

static void knows_widths(void **state)
{
    (void)state;
    size_t cells;
    assert_int_equal(label_width("abc"), 3);
    assert_int_equal(label_width("\xE6\xB3\xA8\xE6\x84\x8F"), 4); /* two CJK letters */
    assert_int_equal(label_width("e\xCC\x81"), 1);                /* e and a combining accent */
    assert_int_equal(label_first("e\xCC\x81"
                                 "f",
                                 &cells),
                     3);
    assert_int_equal(cells, 1);
    assert_int_equal(label_first("", &cells), 0);
}

static void expect_fit(const char *label, int64_t most, const char *expected, int64_t expected_cells)
{
    char *text;
    int64_t cells;
    assert_int_equal(attn_seq_label_fit(label, most, &text, &cells), ATTN_OK);
    assert_string_equal(text, expected);
    assert_int_equal(cells, expected_cells);
    attn_seq_free(text);
}

static void fits_cells_not_bytes(void **state)
{
    (void)state;
    char *text;
    int64_t cells;
    expect_fit("\xC3\xA9t\xC3\xA9", 3, "\xC3\xA9t\xC3\xA9", 3);
    expect_fit("\xE4\xB8\xAD\xE6\x96\x87", 4, "\xE4\xB8\xAD\xE6\x96\x87", 4);
    expect_fit("\xE4\xB8\xAD\xE6\x96\x87", 3, "\xE4\xB8\xAD\xE2\x80\xA6", 3); /* one wide letter, an ellipsis */
    expect_fit("a\xE4\xB8\xAD\xE6\x96\x87", 3, "a\xE2\x80\xA6", 2);           /* the next would take two */
    expect_fit("ab", 1, "\xE2\x80\xA6", 1);
    expect_fit("e\xCC\x81", 1, "e\xCC\x81", 1);
    expect_fit("a\033b", 65536, "a b", 3);
    expect_fit("\xFF", 1, "\xEF\xBF\xBD", 1);
    expect_fit("", 1, "", 0);
    expect_fit(NULL, 1, "", 0);
    assert_int_equal(attn_seq_label_fit("a", 0, &text, &cells), ATTN_ERROR_ARGUMENT);
    assert_null(text);
    assert_int_equal(attn_seq_label_fit("a", 65537, &text, &cells), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_label_fit("a", 1, NULL, &cells), ATTN_ERROR_ARGUMENT);
    assert_int_equal(attn_seq_label_fit("a", 1, &text, NULL), ATTN_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_what_a_terminal_would_obey),
        cmocka_unit_test(replaces_what_is_no_utf8),
        cmocka_unit_test(cuts_with_an_ellipsis),
        cmocka_unit_test(knows_widths),
        cmocka_unit_test(fits_cells_not_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
