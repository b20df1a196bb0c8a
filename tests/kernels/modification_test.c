/* What masks, biases and distances say of a tile, on every instruction set: every size about a vector's, any strides,
 * queries in lanes and in rows, and nothing beside the tile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "kernels/kernels.h"

#include <math.h>

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

#define FARTHEST 60                          /* stride of a row, either way */
#define ORIGIN ((MOST - 1) * (FARTHEST + 3)) /* from where columns go by 3 at most, either way */
#define SPAN (2 * ORIGIN + 1)

static uint8_t any_mask[SPAN];
static float any_bias[SPAN];

/* One number in `one_in` is masked, and of a bias as many are NaN. */
static void fill_any(uint64_t call, uint32_t one_in)
{
    for (uint64_t n = 0; n < SPAN; n++) {
        const random_block x = random_philox(35, call, n);
        any_mask[n] = x.word[0] % one_in ? (uint8_t)(1 + x.word[0] % 255) : 0;
        any_bias[n] = x.word[1] % one_in ? (float)(int32_t)x.word[2] * 0x1p-29f : x.word[3] % 2 ? NAN : -INFINITY;
    }
}

static int64_t within(uint32_t word, int64_t most)
{
    return (int64_t)(word % (uint64_t)(2 * most + 1)) - most;
}

static modification_tile draw_tile(uint64_t call)
{
    const random_block x = random_philox(36, call, 0), strides = random_philox(37, call, 0),
                       last = random_philox(38, call, 0);
    modification_tile tile = {.queries = 1 + x.word[0] % MOST, .keys = 1 + x.word[1] % MOST, .out = out};
    if (x.word[2] % 4) tile.mask = any_mask + ORIGIN;
    if (x.word[3] % 4) tile.bias = any_bias + ORIGIN;
    const int64_t mask_column = within(strides.word[2], 3), bias_column = within(strides.word[3], 3);
    tile.mask_row = last.word[0] % 4 ? within(strides.word[0], FARTHEST) : 0;
    tile.bias_row = last.word[1] % 4 ? within(strides.word[1], FARTHEST) : 0;
    tile.mask_column = last.word[0] / 4 % 2 ? 1 : mask_column;
    tile.bias_column = last.word[1] / 4 % 2 ? 1 : bias_column;
    if (last.word[2] % 2) tile.slope = 0.3f, tile.distance = within(last.word[3], 100);
    const bool lanes = last.word[2] / 2 % 2;
    tile.query_step = lanes ? 1 : STEP, tile.key_step = lanes ? STEP : 1;
    return tile;
}

/* What the contract says of one pair. */
static float modified(const modification_tile *tile, int64_t m, int64_t n)
{
    if (tile->mask && !tile->mask[m * tile->mask_row + n * tile->mask_column]) return -INFINITY;
    const float x = tile->bias ? tile->bias[m * tile->bias_row + n * tile->bias_column] : 0;
    return tile->slope != 0 ? x - tile->slope * fabsf((float)(tile->distance + m - n)) : x;
}

static void expect_tile(const modification_tile *tile, int level, uint64_t call, attn_tile_kept kept)
{
    bool some = false, all = true;
    for (int64_t outer = 0; outer < MOST; outer++)
        for (int64_t inner = 0; inner < STEP; inner++) {
            const bool lanes = tile->query_step == 1;
            const int64_t m = lanes ? inner : outer, n = lanes ? outer : inner;
            const bool inside = m < tile->queries && n < tile->keys;
            const float got = out[outer * STEP + inner], want = inside ? modified(tile, m, n) : MARK;
            if (got != want && !(isnan(got) && isnan(want)))
                fail_msg("level %d, call %llu: query %lld, key %lld: %g, expected %g", level, (unsigned long long)call,
                         (long long)m, (long long)n, (double)got, (double)want);
            some |= inside && want != -INFINITY, all &= !inside || want != -INFINITY;
        }
    const attn_tile_kept expected = all ? ATTN_TILE_ALL : some ? ATTN_TILE_SOME : ATTN_TILE_NONE;
    if (kept != expected)
        fail_msg("level %d, call %llu: %d is kept, expected %d", level, (unsigned long long)call, (int)kept,
                 (int)expected);
}

static void test_any_tile(void **state)
{
    (void)state;
    for (uint64_t call = 0; call < 600; call++) {
        fill_any(call, call % 4 ? 2 + (uint32_t)call : 1 + (uint32_t)(call / 4 % 2) * 100000);
        const modification_tile tile = draw_tile(call);
        for (int level = 0; level <= (int)cpu_detect()->found; level++) {
            kernel_table table;
            kernels_fill(&table, (cpu_level)level);
            mark();
            expect_tile(&tile, level, call, table.modification(&tile));
        }
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

/* Every size about a word's, rows and columns of any stride, and nothing behind the keys. */
static void test_seen(void **state)
{
    (void)state;
    static uint8_t bytes[64 * 3 * 140];
    uint64_t words[130];
    for (size_t n = 0; n < sizeof bytes; n++) {
        const uint32_t draw = random_philox(35, n, 0).word[0];
        bytes[n] = draw % 3 ? (uint8_t)(1u << draw / 3 % 8) : 0;
    }
    for (int level = 0; level <= (int)cpu_detect()->found; level++)
        for (uint64_t call = 0; call < 200; call++) {
            kernel_table table;
            kernels_fill(&table, (cpu_level)level);
            const random_block draw = random_philox(36, call, 0);
            const int64_t queries = 1 + draw.word[0] % 64, keys = 1 + draw.word[1] % 128, step = 1 + draw.word[2] % 3;
            const int64_t row = draw.word[3] % 4 ? keys * step + 5 : 0;
            for (int n = 0; n < 130; n++) words[n] = 0x123456789abcdef0u;
            table.seen(&(seen_tile){queries, keys, bytes, row, step, words});
            for (int64_t n = 0; n < keys; n++)
                for (int64_t m = 0; m < queries; m++)
                    if ((words[n] >> m & 1) != (bytes[m * row + n * step] != 0))
                        fail_msg("level %d, call %llu: query %lld, key %lld: %d", level, (unsigned long long)call,
                                 (long long)m, (long long)n, (int)(words[n] >> m & 1));
            for (int64_t n = keys; n < 130; n++) assert_true(words[n] == 0x123456789abcdef0u);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mask_alone), cmocka_unit_test(test_any_tile),
                                       cmocka_unit_test(test_cut), cmocka_unit_test(test_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
