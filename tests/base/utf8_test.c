/* Where text may be cut: never within a character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"

#include <string.h>

static void is_cut_between_characters(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "plain", "\u0430\u0431\u0432", "a\u8a9e\u6587", "\U0001f600\u00e9x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const size_t bytes = strlen(texts[i]);
        for (size_t most = 0; most <= bytes + 1; most++) {
            const size_t shown = utf8_shown(texts[i], most);
            assert_true(shown <= most && shown <= bytes && utf8_valid(texts[i], shown));
            assert_true(shown == bytes || shown + 4 > most);
        }
        assert_int_equal(utf8_shown(texts[i], bytes), bytes);
    }
    assert_int_equal(utf8_shown("\u0430\u0431\u0432", 5), 4);
}

static void bytes_that_are_no_text_are_cut_anywhere(void **state)
{
    (void)state;
    char bytes[10];
    memset(bytes, 0x80, sizeof bytes - 1);
    bytes[9] = '\0';
    for (size_t most = 0; most < 12; most++) assert_int_equal(utf8_shown(bytes, most), most < 9 ? most : 9);
    assert_int_equal(utf8_shown("\xc3\xc3\xc3", 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_cut_between_characters),
        cmocka_unit_test(bytes_that_are_no_text_are_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
