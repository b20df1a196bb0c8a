/* What a tile's queries see, by bits, with queries in lanes and with keys beside each other, against causal mask,
 * window, lengths and bytes asked pair by pair: tiles of any size, anywhere, those that reach behind the keys' end too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "attention/visible.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

enum { T = 150, S = 170, QUERIES = 64, KEYS = 128, CALLS = 1500 };

typedef struct drawn {
    uint64_t seed, draws;
    attn_desc d;
    int64_t length, i, ni, j, nj;
    uint8_t *mask; /* (T, S), each element twice as far from the next where columns are not contiguous */
} drawn;

static int64_t draw(drawn *x, int64_t least, int64_t most)
{
    return least + (int64_t)(random_philox(x->seed, x->draws++, 11).word[0] % (uint32_t)(most - least + 1));
}

static void draw_mask(drawn *x)
{
    const int64_t apart = draw(x, 1, 2), often = draw(x, 0, 2);
    x->mask = calloc(T * S * 2, 1);
    for (int64_t n = 0; n < T * S * 2; n++) x->mask[n] = often == 0 || draw(x, 0, 9) > (often == 1 ? 0 : 8) ? 0x40 : 0;
    if (draw(x, 0, 1)) x->d.mask = (attn_mask){x->mask, 0, 0, draw(x, 0, 3) ? apart * S : 0, apart};
}

static drawn draw_tile(uint64_t seed)
{
    drawn x = {.seed = seed};
    attn_desc_init(&x.d, sizeof x.d, 1, 1, 1, T, S, 4, 4);
    x.d.causal = draw(&x, 0, 1);
    x.d.query_offset = draw(&x, -40, 60);
    if (draw(&x, 0, 1)) x.d.window_left = draw(&x, 0, 80);
    if (draw(&x, 0, 1)) x.d.window_right = draw(&x, 0, 80);
    if (draw(&x, 0, 9) == 0) x.d.query_offset = INT64_MAX - draw(&x, 0, 200);
    if (draw(&x, 0, 9) == 0) x.d.window_left = INT64_MAX - draw(&x, 0, 200);
    x.ni = draw(&x, 1, QUERIES), x.nj = draw(&x, 1, KEYS);
    x.i = draw(&x, 0, T - x.ni), x.j = draw(&x, 0, S - x.nj);
    x.length = draw(&x, 0, 1) ? draw(&x, 0, S) : S;
    draw_mask(&x);
    return x;
}

static bool sees(const drawn *x, int64_t i, int64_t j)
{
    const attn_desc *d = &x->d;
    const __int128 p = (__int128)i + d->query_offset;
    if (j >= x->length || (d->causal && j > p)) return false;
    if (d->window_left >= 0 && j < p - d->window_left) return false;
    if (d->window_right >= 0 && j > p + d->window_right) return false;
    return !d->mask.data || x->mask[i * d->mask.row + j * d->mask.column];
}

/* Those that the tile's kind leaves, or, where it leaves some, what it wrote. */
static bool told(const float *modification, visible_kind kind)
{
    if (kind == VISIBLE_SOME || kind == VISIBLE_ADDED) return *modification != -INFINITY;
    return kind == VISIBLE_ALL;
}

static void check_tile(uint64_t seed)
{
    drawn x = draw_tile(seed);
    static float lanes[KEYS * QUERIES], rows[QUERIES * KEYS];
    uint64_t seen[KEYS];
    x.d.key_lengths = &x.length;
    const visible_kind by_bits = visible_bits(&x.d, 0, 0, x.i, x.ni, x.j, x.nj, seen),
                       in_lanes = visible_tile(&x.d, 0, 0, x.i, x.ni, x.j, x.nj, lanes, 1, QUERIES),
                       in_rows = visible_tile(&x.d, 0, 0, x.i, x.ni, x.j, x.nj, rows, KEYS, 1);
    int64_t count = 0;
    for (int64_t m = 0; m < x.ni; m++)
        for (int64_t n = 0; n < x.nj; n++) {
            const bool expected = sees(&x, x.i + m, x.j + n);
            const bool bit = by_bits == VISIBLE_SOME ? seen[n] >> m & 1 : by_bits == VISIBLE_ALL;
            count += expected;
            if (bit != expected || told(&lanes[n * QUERIES + m], in_lanes) != expected ||
                told(&rows[m * KEYS + n], in_rows) != expected)
                fail_msg("seed %llu: query %lld and key %lld, expected %s", (unsigned long long)seed,
                         (long long)(x.i + m), (long long)(x.j + n), expected ? "seen" : "masked");
        }
    const visible_kind kind = count == 0 ? VISIBLE_NONE : count == x.ni * x.nj ? VISIBLE_ALL : VISIBLE_SOME;
    if (by_bits != kind) fail_msg("seed %llu: kind %d by bits, expected %d", (unsigned long long)seed, by_bits, kind);
    free(x.mask);
}

static void bits_and_modifications_say_what_the_rules_say(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < CALLS; seed++) check_tile(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bits_and_modifications_say_what_the_rules_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
