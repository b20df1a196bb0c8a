/* The lines that a kernel asks for are those of the rows that were added, each row's once, the last array's first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kernels/lines_ahead.h"

#define BASE ((uintptr_t)1 << 20)

static void expect_lines(lines_ahead *ahead, uintptr_t first, int count)
{
    for (int n = 0; n < count; n++) {
        assert_true(ahead->line == first + (uintptr_t)n * AHEAD_LINE);
        lines_ahead_ask(ahead);
    }
}

static void test_rows_apart(void **state)
{
    (void)state;
    lines_ahead ahead = {0};
    lines_ahead_add(&ahead, (const void *)(BASE + 4), 4096, 3 * AHEAD_LINE, 2); /* 4 lines each, not being aligned */
    lines_ahead_add(&ahead, (const void *)(2 * BASE), -256, 2 * AHEAD_LINE, 2);
    lines_ahead_turn(&ahead);
    expect_lines(&ahead, 2 * BASE, 2);
    expect_lines(&ahead, 2 * BASE - 256, 2);
    expect_lines(&ahead, BASE, 4);
    expect_lines(&ahead, BASE + 4096, 4);
    assert_true(ahead.line == 0);
    lines_ahead_ask(&ahead);
    assert_true(ahead.line == 0);
}

/* Rows of half a line, without a gap, share lines. */
static void test_rows_beside_each_other(void **state)
{
    (void)state;
    lines_ahead ahead = {0};
    lines_ahead_add(&ahead, (const void *)BASE, 32, 32, 6);
    lines_ahead_turn(&ahead);
    expect_lines(&ahead, BASE, 3);
    assert_true(ahead.line == 0);
}

/* As many as go with a product's sums, as long as there are any. */
static void test_lines_beside_a_product(void **state)
{
    (void)state;
    lines_ahead ahead = {0};
    lines_ahead_add(&ahead, (const void *)BASE, 64, 64, 10);
    lines_ahead_turn(&ahead);
    lines_ahead_beside(&ahead, 4 * AHEAD_SUMS + 1);
    assert_true(ahead.line == BASE + 4 * AHEAD_LINE);
    lines_ahead_beside(&ahead, 100 * AHEAD_SUMS);
    assert_true(ahead.line == 0);
    lines_ahead_beside(NULL, 100 * AHEAD_SUMS);
}

static void test_nothing_and_too_much(void **state)
{
    (void)state;
    lines_ahead ahead = {0};
    lines_ahead_add(&ahead, (const void *)BASE, 64, 64, 0);
    lines_ahead_add(&ahead, (const void *)BASE, 64, 0, 5);
    lines_ahead_turn(&ahead);
    assert_true(ahead.line == 0);
    for (uintptr_t n = 1; n <= AHEAD_MOST + 1; n++) lines_ahead_add(&ahead, (const void *)(n * BASE), 64, 64, 1);
    lines_ahead_turn(&ahead);
    for (uintptr_t n = AHEAD_MOST; n; n--) expect_lines(&ahead, n * BASE, 1);
    assert_true(ahead.line == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_apart), cmocka_unit_test(test_rows_beside_each_other),
                                       cmocka_unit_test(test_lines_beside_a_product),
                                       cmocka_unit_test(test_nothing_and_too_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
