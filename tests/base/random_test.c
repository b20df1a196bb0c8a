#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"

/* Known answers of the authors' Random123 distribution, kat_vectors, philox4x32 10. */
static void matches_the_published_vectors(void **state)
{
    (void)state;
    random_block zero = random_philox(0, 0, 0);
    const uint32_t want_zero[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
    random_block ones = random_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX);
    const uint32_t want_ones[4] = {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(zero.word[i], want_zero[i]);
        assert_int_equal(ones.word[i], want_ones[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(matches_the_published_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
