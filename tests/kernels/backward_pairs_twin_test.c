/* Backward's kernels of pairs and of tiles of bf16 against their twins: the same random tile to both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backward_inputs.h"
#include "guarded_floats.h"
#include "tile_standin.h"

#include "base/number_format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The twin of the kernels of pairs is in no table: the scalar level makes rows fp32. */
static kernel_table pairs_twin(void)
{
    kernel_table table;
    kernels_fill(&table, CPU_SCALAR);
    pairs_set_scalar(&table);
    return table;
}

#define TILE (BACKWARD_QUERIES * BACKWARD_KEYS)

enum { Q_ROWS, GRAD_O_ROWS, K_ROWS, K_TILES, V_TILES, PACKED };

/* The tiles of a call of the kernels of pairs or of tiles, and its packed rows, guarded behind. */
typedef struct paired {
    results y;
    uint16_t *p, *ds;
    uint32_t *ds_pairs, *rows[PACKED];
    bool tiled;
} paired;

/* The gap, `count` words that hold a NaN, and as many guards as the gap. */
static uint32_t *guarded_words(int64_t count)
{
    return (uint32_t *)guarded_rows(1, count);
}

/* Words that rows packed for products, or for scores, take. */
static int64_t packed_words(bool tiled, int64_t rows, int64_t columns)
{
    return tiled ? BACKWARD_QUERIES / 2 * backward_whole(columns) : (rows + 1) / 2 * columns;
}

static paired prepare_pairs(const inputs *x, const kernel_table *table)
{
    paired z = {.y = prepare_results(x), .tiled = table->pack_keys};
    backward_tile *t = &z.y.tile;
    const struct {
        pair_rows_kernel *pack;
        const uint16_t *rows;
        int64_t row, count, columns;
    } packs[PACKED] = {{table->pack_rows, t->q_bf16, t->q_row, t->queries, t->D},
                       {table->pack_rows, t->grad_o_bf16, t->grad_o_row, t->queries, t->DV},
                       {table->pack_rows, t->k_bf16, t->k_row, t->keys, t->D},
                       {table->pack_keys, t->k_bf16, t->k_row, t->keys, t->D},
                       {table->pack_keys, t->v_bf16, t->v_row, t->keys, t->DV}};
    for (int n = 0; n < PACKED; n++) {
        const int64_t words = packed_words(z.tiled, packs[n].count, packs[n].columns);
        z.rows[n] = guarded_words(words);
        if (!packs[n].pack) continue;
        packs[n].pack(packs[n].rows, packs[n].row, packs[n].count, packs[n].columns, z.rows[n] + GAP);
        assert_int_equal(z.rows[n][GAP + words], GUARD_WORD);
    }
    t->q_pairs = z.rows[Q_ROWS] + GAP, t->grad_o_pairs = z.rows[GRAD_O_ROWS] + GAP;
    t->k_pairs = z.rows[K_ROWS] + GAP, t->k_tiles = z.rows[K_TILES] + GAP, t->v_tiles = z.rows[V_TILES] + GAP;
    t->p_bf16 = z.p = (uint16_t *)whole_lines(TILE / 2), t->ds_bf16 = z.ds = (uint16_t *)whole_lines(TILE / 2);
    t->ds_pairs = z.ds_pairs = (uint32_t *)whole_lines(TILE / 2);
    memset(z.p, 0xff, TILE * sizeof *z.p), memset(z.ds, 0xff, TILE * sizeof *z.ds);
    memset(z.ds_pairs, 0xff, TILE / 2 * sizeof *z.ds_pairs);
    return z;
}

static void destroy_paired(paired *z)
{
    for (int n = 0; n < PACKED; n++) free(z->rows[n]);
    free(z->p), free(z->ds), free(z->ds_pairs);
    destroy_results(&z->y);
}

/* A number of the tile, within 1e-5 or the last bit of a bf16. */
static void check_number(const inputs *x, const char *name, int64_t key, int64_t query, float got, float want)
{
    if (!(fabsf(got - want) <= 1e-5f + 0x1.01p-7f * fabsf(want)))
        fail_msg("seed %llu: %s of key %lld, query %lld is %.8g, the twin's %.8g", (unsigned long long)x->seed, name,
                 (long long)key, (long long)query, (double)got, (double)want);
}

/* The second place of dS. */
static uint16_t *second_place(const paired *z, int64_t key, int64_t query)
{
    uint16_t *numbers = (uint16_t *)z->ds_pairs;
    return z->tiled ? &numbers[query * BACKWARD_KEYS + key]
                    : &numbers[(key / 2 * BACKWARD_QUERIES + query) * 2 + key % 2];
}

static int64_t round_up(int64_t count, int64_t step)
{
    return (count + step - 1) / step * step;
}

/* P and dS, 0 behind the last query and key to the next whole step, and both places of dS the same. */
static void check_tile(const inputs *x, const paired *got, const backward_tile *want)
{
    const int64_t keys = want->keys, queries = want->queries, step = got->tiled ? BACKWARD_STEP : 2;
    int64_t differ = 0;
    for (int64_t n = 0; n < round_up(keys, step); n++)
        for (int64_t m = 0; m < round_up(queries, step); m++) {
            const int64_t at = n * BACKWARD_QUERIES + m;
            const bool there = n < keys && m < queries;
            if (n < keys || got->tiled) {
                const uint16_t p = there ? want->p_bf16[at] : 0, ds = there ? want->ds_bf16[at] : 0;
                check_number(x, "P", n, m, bf16_to_float(got->p[at]), bf16_to_float(p));
                check_number(x, "dS", n, m, bf16_to_float(got->ds[at]), bf16_to_float(ds));
                differ += got->p[at] != p;
            }
            const uint16_t again = *second_place(got, n, m);
            if (m < queries || got->tiled) assert_int_equal(again, there ? got->ds[at] : 0);
        }
    if (differ > 2 + keys * queries / 100)
        fail_msg("seed %llu: %lld weights are not the twin's", (unsigned long long)x->seed, (long long)differ);
}

/* dS as it is, where nothing asks for it rounded. */
static void check_unrounded(const inputs *x, const kernel_table *table)
{
    const kernel_table twin = pairs_twin();
    paired want = prepare_pairs(x, &twin), got = prepare_pairs(x, table);
    backward_tile *a = &got.y.tile, *b = &want.y.tile;
    a->p_bf16 = b->p_bf16 = NULL;
    twin.backward_pairs.begin(b);
    twin.backward_pairs.scores(b);
    table->backward_pairs.begin(a);
    table->backward_pairs.scores(a);
    for (int64_t n = 0; n < a->keys; n++)
        for (int64_t m = 0; m < a->queries; m++) {
            const int64_t at = n * BACKWARD_QUERIES + m;
            if (!(fabsf(a->ds_t[at] - b->ds_t[at]) <= 1e-5f * (1 + fabsf(b->ds_t[at]))))
                fail_msg("seed %llu: dS is %.8g, the twin's %.8g", (unsigned long long)x->seed, (double)a->ds_t[at],
                         (double)b->ds_t[at]);
        }
    destroy_paired(&want);
    destroy_paired(&got);
}

/* The twin's tile in place of its own. */
static void take_tile(paired *z, const backward_tile *twin)
{
    for (int64_t n = 0; n < twin->keys; n++)
        for (int64_t m = 0; m < twin->queries; m++) {
            const int64_t at = n * BACKWARD_QUERIES + m;
            z->p[at] = twin->p_bf16[at];
            z->ds[at] = *second_place(z, n, m) = twin->ds_bf16[at];
        }
}

/* The tiles are compared as they are rounded; then both multiply the twin's, since a weight that one rounds up and the
 * other down would hide more than it shows. */
static void check_pairs(const inputs *x, const kernel_table *table)
{
    const kernel_table twin = pairs_twin();
    paired want = prepare_pairs(x, &twin), got = prepare_pairs(x, table);
    backward_tile *a = &got.y.tile, *b = &want.y.tile;
    table->backward_pairs.begin(a);
    table->backward_pairs.scores(a);
    twin.backward_pairs.begin(b);
    twin.backward_pairs.scores(b);
    check_tile(x, &got, b);
    check_distances(x, a->distance_sums, b->distance_sums);
    take_tile(&got, b);
    table->backward_pairs.products(a);
    twin.backward_pairs.products(b);
    check_rows(x, "grad_q", got.y.out[GRAD_Q], want.y.out[GRAD_Q], a->queries, a->D);
    check_rows(x, "grad_k", got.y.out[GRAD_K], want.y.out[GRAD_K], a->keys, a->D);
    check_rows(x, "grad_v", got.y.out[GRAD_V], want.y.out[GRAD_V], a->keys, a->DV);
    destroy_paired(&want);
    destroy_paired(&got);
}

/* Options that change nothing leave the bits. */
static void check_without_options(inputs *x, const kernel_table *table)
{
    backward_tile *t = &x->tile;
    t->modification = t->dropout = NULL, t->softcap = 0, t->function.call = NULL;
    paired want = prepare_pairs(x, table);
    want.y.tile.distance_sums = NULL;
    table->backward_pairs.begin(&want.y.tile);
    table->backward_pairs.scores(&want.y.tile);
    for (size_t n = 0; n < TILE; n++) x->modification[n] = 0;
    t->modification = x->modification;
    paired got = prepare_pairs(x, table);
    got.y.tile.distance_sums = NULL;
    table->backward_pairs.begin(&got.y.tile);
    table->backward_pairs.scores(&got.y.tile);
    for (int64_t n = 0; n < t->keys; n++)
        for (int64_t m = 0; m < t->queries; m++) {
            const int64_t at = n * BACKWARD_QUERIES + m;
            assert_int_equal(got.p[at], want.p[at]);
            assert_int_equal(got.ds[at], want.ds[at]);
        }
    destroy_paired(&want);
    destroy_paired(&got);
}

static void check_level(const kernel_table *table, uint64_t first, uint64_t last)
{
    for (uint64_t seed = first; seed < last; seed++) {
        inputs x = make_inputs(seed);
        if (!x.tile.score_vector) {
            check_pairs(&x, table);
            check_unrounded(&x, table);
            check_without_options(&x, table);
        }
        destroy_inputs(&x);
    }
}

static void pairs_agree_with_their_twin(void **state)
{
    (void)state;
    kernel_table table;
    kernels_fill(&table, CPU_SCALAR);
    assert_null(table.backward_pairs.begin);
#if defined(__x86_64__)
    if (cpu_detect()->found < CPU_AVX512BF16) skip();
    kernels_fill(&table, CPU_AVX512BF16);
    check_level(&table, 0, 250);
#else
    skip();
#endif
}

/* The tiles' body with its plain C stand-in, on the twin's vectors and on wide ones, and with AMX's tiles where the CPU
 * has them, against products of pairs in plain C, which sum in another order. */
static void tiles_agree_with_pairs(void **state)
{
    (void)state;
    kernel_table table;
    tile_standin_fill(&table, CPU_SCALAR);
    check_level(&table, 0, 250);
    if (tile_standin_fill(&table, cpu_detect()->found)) check_level(&table, 0, 250);
#if defined(__x86_64__)
    if (cpu_detect()->found < CPU_AMX) return;
    kernels_fill(&table, CPU_AMX);
    check_level(&table, 0, 250);
#endif
}

static void finite_pairs_are_told_from_others(void **state)
{
    (void)state;
    const uint16_t bad[] = {0x7fc0, 0x7f80, 0xff80};
    kernel_table table;
    kernels_fill(&table, cpu_detect()->found);
    pairs_finite_kernel *const kernels[] = {pairs_twin().pairs_finite, table.pairs_finite};
    for (int k = 0; k < 2 && kernels[k]; k++)
        for (int64_t columns = 1; columns < 70; columns++) {
            float *data = random_rows((uint64_t)columns, 3, columns);
            uint16_t *rows = rounded_rows(data, 3, columns);
            assert_true(kernels[k](rows, columns + GAP, 3, columns));
            rows[columns] = bad[0]; /* in the gap */
            assert_true(kernels[k](rows, columns + GAP, 3, columns));
            rows[2 * (columns + GAP) + columns - 1] = bad[columns % 3];
            assert_false(kernels[k](rows, columns + GAP, 3, columns));
            free(rows);
            free(data);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_agree_with_their_twin),
        cmocka_unit_test(tiles_agree_with_pairs),
        cmocka_unit_test(finite_pairs_are_told_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
