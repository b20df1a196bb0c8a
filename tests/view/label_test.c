#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_what_a_terminal_would_obey),
        cmocka_unit_test(replaces_what_is_no_utf8),
        cmocka_unit_test(cuts_with_an_ellipsis),
        cmocka_unit_test(knows_widths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
