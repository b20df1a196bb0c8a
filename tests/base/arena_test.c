#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"

#include <string.h>

static void gives_aligned_disjoint_memory(void **state)
{
    (void)state;
    arena *a = arena_create();
    unsigned char *last = NULL;
    for (size_t n = 0; n < 300000; n += 9973) {
        unsigned char *p = arena_take(a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % ARENA_ALIGNMENT, 0);
        memset(p, (int)(n & 0xff), n);
        if (last && n > 9973) assert_int_equal(last[0], (n - 9973) & 0xff);
        last = p;
    }
    arena_destroy(a);
}

static void reset_keeps_its_blocks(void **state)
{
    (void)state;
    arena *a = arena_create();
    size_t capacity = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++) assert_non_null(arena_take(a, 123457));
        if (round) assert_int_equal(arena_capacity(a), capacity);
        capacity = arena_capacity(a);
        arena_reset(a);
    }
    arena_destroy(a);
}

/* Whatever lies before the place, and blocks that are full or skipped. */
static void keeps_one_of_what_came_since(void **state)
{
    (void)state;
    for (size_t before = 0; before < 5; before++) {
        arena *a = arena_create();
        unsigned char *first = before ? arena_take(a, before << 19) : NULL;
        if (first) memset(first, 1, before << 19);
        const arena_place place = arena_place_now(a);
        for (size_t n = 100; n < 9000000; n *= 3) {
            assert_non_null(arena_take(a, n / 2));
            unsigned char *kept = arena_take(a, n);
            for (size_t i = 0; i < n; i++) kept[i] = (unsigned char)(i * 7 + n);
            memset(arena_take(a, n), 3, n);
            kept = arena_keep(a, place, kept, n);
            memset(arena_take(a, n), 2, n);
            for (size_t i = 0; i < n; i++) assert_int_equal(kept[i], (unsigned char)(i * 7 + n));
        }
        const size_t capacity = arena_capacity(a);
        for (int i = 0; i < 100; i++) arena_keep(a, place, arena_take(a, capacity / 16), capacity / 16);
        assert_int_equal(arena_capacity(a), capacity);
        for (size_t i = 0; i < before << 19; i++) assert_int_equal(first[i], 1);
        arena_destroy(a);
    }
}

static void refuses_what_overflows(void **state)
{
    (void)state;
    arena *a = arena_create();
    assert_null(arena_take(a, SIZE_MAX));
    assert_null(arena_take_zeroed(a, SIZE_MAX / 2, 3));
    assert_non_null(arena_take(a, 0));
    arena_destroy(a);
    arena_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_disjoint_memory),
        cmocka_unit_test(reset_keeps_its_blocks),
        cmocka_unit_test(keeps_one_of_what_came_since),
        cmocka_unit_test(refuses_what_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
