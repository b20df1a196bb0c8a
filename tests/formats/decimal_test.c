#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formats/decimal.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void expect_both_ways(double value, const char *text)
{
    char written[32], *end;
    decimal_write(written, sizeof written, value);
    assert_string_equal(written, text);
    assert_true(decimal_read(text, &end) == value);
    assert_int_equal(*end, '\0');
}

static void numbers_have_a_point_in_any_locale(void **state)
{
    (void)state;
    static const char *const locales[] = {"C", "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "tr_TR.UTF-8"};
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++) {
        if (!setlocale(LC_ALL, locales[i])) continue; /* not installed here */
        char own[32], after[32], *end;
        snprintf(own, sizeof own, "%.1f", 0.5);
        expect_both_ways(0.1, "0.10000000000000001");
        expect_both_ways(-1.7976931348623157e308, "-1.7976931348623157e+308");
        expect_both_ways(5, "5");
        expect_both_ways(-INFINITY, "-inf");
        assert_true(decimal_read("1,5", &end) == 1 && *end == ',');
        snprintf(after, sizeof after, "%.1f", 0.5);
        assert_string_equal(after, own); /* the process's locale is left as it was */
    }
    setlocale(LC_ALL, "C");
}

static void what_does_not_fit_is_cut(void **state)
{
    (void)state;
    char text[5];
    decimal_write(text, sizeof text, 0.1);
    assert_string_equal(text, "0.10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_a_point_in_any_locale),
        cmocka_unit_test(what_does_not_fit_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
