#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/cpu.h"

#include <stdlib.h>
#include <string.h>

static void names_and_levels_agree(void **state)
{
    (void)state;
    for (int i = CPU_SCALAR; i < CPU_LEVELS; i++) {
        cpu_level level = CPU_SCALAR;
        assert_true(cpu_level_parse(cpu_level_name((cpu_level)i), &level));
        assert_int_equal(level, i);
        assert_non_null(strstr(cpu_level_names(), cpu_level_name((cpu_level)i)));
    }
    cpu_level level = CPU_LEVELS;
    assert_false(cpu_level_parse("avx", &level));
    assert_false(cpu_level_parse("", &level));
    assert_int_equal(level, CPU_LEVELS);
}

/* This program's first question is asked with a name that no level has. */
static void an_unknown_cap_is_reported_and_caps_nothing(void **state)
{
    (void)state;
    setenv("ATTN_CPU", "avx1024, which is far too long a name to fit", 1);
    const cpu_report *r = cpu_detect();
    assert_false(r->requested_is_known);
    assert_string_equal(r->requested, "avx1024, which is far too long ");
    assert_int_equal(r->used, r->found);
    setenv("ATTN_CPU", "scalar", 1);
    assert_ptr_equal(cpu_detect(), r);
    assert_false(r->requested_is_known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_and_levels_agree),
                                       cmocka_unit_test(an_unknown_cap_is_reported_and_caps_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
