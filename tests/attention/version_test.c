/* The header's version, the library's and the build's are the same: each is read where another might be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attn/attn.h"

#include <stdio.h>

static void library_has_the_headers_version(void **state)
{
    (void)state;
    char header[64];
    snprintf(header, sizeof header, "%d.%d.%d", ATTN_VERSION_MAJOR, ATTN_VERSION_MINOR, ATTN_VERSION_PATCH);
    assert_string_equal(attn_version(), header);
}

static void build_has_the_headers_version(void **state)
{
    (void)state;
    assert_string_equal(attn_version(), BUILD_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_has_the_headers_version),
        cmocka_unit_test(build_has_the_headers_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
