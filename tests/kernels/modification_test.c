/* What masks say of a tile with queries in lanes, on every instruction set: every size about a vector's, and nothing
 * beside the tile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "kernels/kernels.h"

#define MOST 40 /* queries, and keys */
#define STEP 48
#define MARK 7.0f

static float out[MOST * STEP];
static uint8_t mask[MOST * (MOST + 3)];

static void mark(void)
{
    for (int n = 0; n < MOST * STEP; n++) out[n] = MARK;
}

static void expect(int level, int64_t m, int64_t n, float want)
{
    const float got = out[n * STEP + m];
    if (got != want)
        fail_msg("level %d: query %lld, key %lld: %g, expected %g", level, (long long)m, (long long)n, (double)got,
                 (double)want);
}

static void test_mask_alone(void **state)
{
    (void)state;
    for (int level = 0; level <= (int)cpu_detect()->found; level++)
        for (uint64_t call = 0; call < 200; call++) {
            kernel_table table;
            kernels_fill(&table, (cpu_level)level);
            const random_block draw = random_philox(31, call, 0);
            const int64_t queries = 1 + draw.word[0] % MOST, keys = 1 + draw.word[1] % MOST, row = keys + 3;
            const uint32_t one_in = call % 3 ? 2 + draw.word[2] % 700 : 1 + (uint32_t)(call % 2) * 100000;
            bool some = false, all = true;
            for (int64_t n = 0; n < queries * row; n++)
                mask[n] = random_philox(32 + call, (uint64_t)n, 0).word[0] % one_in ? (uint8_t)(1 + n % 255) : 0;
            mark();
            const modification_tile tile = {.queries = queries,
                                            .keys = keys,
                                            .mask = mask,
                                            .mask_row = row,
                                            .mask_column = 1,
                                            .out = out,
                                            .query_step = 1,
                                            .key_step = STEP};
            const attn_tile_kept kept = table.modification(&tile);
            for (int64_t n = 0; n < MOST; n++)
                for (int64_t m = 0; m < STEP; m++) {
                    const bool inside = m < queries && n < keys, keep = inside && mask[m * row + n];
                    some |= keep, all &= keep || !inside;
                    expect(level, m, n, !inside ? MARK : keep ? 0 : -INFINITY);
                }
            assert_int_equal(kept, all ? ATTN_TILE_ALL : some ? ATTN_TILE_SOME : ATTN_TILE_NONE);
        }
}

static void test_cut(void **state)
{
    (void)state;
    for (int level = 0; level <= (int)cpu_detect()->found; level++)
        for (uint64_t call = 0; call < 400; call++) {
            kernel_table table;
            kernels_fill(&table, (cpu_level)level);
            const random_block draw = random_philox(33, call, 0), bounds = random_philox(34, call, 0);
            const int64_t queries = 1 + draw.word[0] % MOST, keys = draw.word[1] % (MOST + 1), far = 1 << 20;
            const int64_t first = bounds.word[0] % 4 ? (int64_t)(bounds.word[1] % 120) - 60 : -far,
                          last = bounds.word[2] % 4 ? (int64_t)(bounds.word[3] % 120) - 60 : far;
            const bool alone = call % 2;
            mark();
            table.cut(&(cut_tile){queries, keys, first, last, out, STEP, alone});
            for (int64_t n = 0; n < MOST; n++)
                for (int64_t m = 0; m < STEP; m++) {
                    const bool inside = m < queries && n < keys, seen = first + n <= m && m < last + n;
                    expect(level, m, n, !inside ? MARK : !seen ? -INFINITY : alone ? 0 : MARK);
                }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mask_alone), cmocka_unit_test(test_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
