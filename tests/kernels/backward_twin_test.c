/* Each instruction set's backward kernels against the scalar twin: the same random tile to both, of odd sizes and
 * strides, guards around every row that is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tile_standin.h"

#include "base/number_format.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_COLUMNS 150
#define GAP 7 /* floats between rows, guarded */
#define GUARD_WORD 0x7fc0deadu

enum { Q, GRAD_O, O, LSE, K, V, SCORE_VECTOR, INPUTS };
enum { GRAD_Q, GRAD_K, GRAD_V, GRAD_SCORE_VECTOR, OUTPUTS };

typedef struct inputs {
    uint64_t seed;
    float *data[INPUTS];
    uint16_t *bf16[INPUTS]; /* the same, rounded */
    float *modification, *dropout;
    backward_tile tile; /* sizes, options and inputs; no scratch, no outputs */
} inputs;

typedef struct results {
    float *scratch, *bent, *out[OUTPUTS];
    backward_tile tile;
} results;

static float *floats(size_t count)
{
    return aligned_alloc(64, (count * sizeof(float) + 127) / 64 * 64);
}

static float uniform(uint64_t seed, uint64_t n, float low, float high)
{
    return low + (high - low) * random_unit(random_philox(seed, n, 0).word[0]);
}

static int64_t whole(uint64_t seed, uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed, n, 1).word[0] % (high - low + 1);
}

static float *random_rows(uint64_t seed, int64_t rows, int64_t columns)
{
    size_t count = (size_t)(rows * (columns + GAP));
    float *data = floats(count);
    for (size_t n = 0; n < count; n++) data[n] = uniform(seed, n, -1, 1);
    return data;
}

/* Different for every pair that its tile says it holds. */
static void odd_function(void *user, const attn_tile *t)
{
    assert_null(user);
    for (int64_t m = 0; m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++) {
            int64_t at = m * t->query_step + n * t->key_step;
            float factor = 1 - 0.01f * (float)((t->query + m + 2 * (t->key + n) + t->head) % 11);
            t->values[at] *= factor;
            if (t->slopes) t->slopes[at] *= factor;
        }
}

/* What stands behind the last one is not theirs to read: the address sanitizer watches. */
static uint16_t *rounded_rows(const float *data, int64_t rows, int64_t columns)
{
    const size_t count = (size_t)(rows ? (rows - 1) * (columns + GAP) + columns : 0);
    uint16_t *x = malloc(count * sizeof *x + 1);
    for (size_t n = 0; n < count; n++) x[n] = bf16_of_float(data[n]);
    return x;
}

static inputs make_inputs(uint64_t seed)
{
    inputs x = {.seed = seed};
    backward_tile *t = &x.tile;
    t->queries = whole(seed, 0, 1, BACKWARD_QUERIES), t->keys = whole(seed, 1, 1, BACKWARD_KEYS);
    bool additive = seed % 3 == 0;
    if (additive) t->queries = 1 + t->queries % ADDITIVE_QUERIES, t->keys = 1 + t->keys % ADDITIVE_KEYS;
    t->D = whole(seed, 2, 0, MOST_COLUMNS), t->DV = whole(seed, 3, 0, MOST_COLUMNS);
    t->scale = 0.3f, t->grad_scale = 0.3f, t->cap_slope = seed % 2;
    t->softcap = whole(seed, 4, 0, 2) ? 0 : 2;
    const int64_t sizes[INPUTS][2] = {{t->queries, t->D}, {t->queries, t->DV}, {t->queries, t->DV},
                                      {t->queries, 1},    {t->keys, t->D},     {t->keys, t->DV},
                                      {1, t->D}};
    for (int n = 0; n < INPUTS; n++) {
        x.data[n] = random_rows(random_derive(seed, (uint64_t)n), sizes[n][0], sizes[n][1]);
        x.bf16[n] = rounded_rows(x.data[n], sizes[n][0], sizes[n][1]);
    }
    t->q = x.data[Q], t->q_row = t->D + GAP;
    t->grad_o = x.data[GRAD_O], t->grad_o_row = t->DV + GAP;
    t->o = x.data[O], t->o_row = t->DV + GAP;
    t->lse = x.data[LSE], t->lse_row = 1 + GAP;
    t->k = x.data[K], t->k_row = t->D + GAP;
    t->v = x.data[V], t->v_row = t->DV + GAP;
    t->q_bf16 = x.bf16[Q], t->grad_o_bf16 = x.bf16[GRAD_O], t->o_bf16 = x.bf16[O];
    t->k_bf16 = x.bf16[K], t->v_bf16 = x.bf16[V];
    t->score_vector = additive ? x.data[SCORE_VECTOR] : NULL;
    for (int64_t m = 0; m < t->queries; m++) x.data[LSE][m * (1 + GAP)] += 4; /* weights of some hundredths */
    if (seed % 5 == 1) x.data[LSE][0] = -INFINITY;
    size_t pairs = BACKWARD_QUERIES * BACKWARD_KEYS;
    x.modification = floats(pairs), x.dropout = floats(pairs);
    for (size_t n = 0; n < pairs; n++) {
        x.modification[n] = whole(seed, 1000 + n, 0, 3) ? uniform(seed, 9000 + n, -1, 1) : -INFINITY;
        x.dropout[n] = whole(seed, 20000 + n, 0, 3) ? 1.25f : 0;
        if ((int64_t)n % BACKWARD_QUERIES >= t->queries) x.modification[n] = x.dropout[n] = NAN; /* not theirs */
    }
    if (seed % 4 == 2) t->function = (score_function){.call = odd_function, .at = {.head = 3, .query = 40, .key = 70}};
    t->distance = whole(seed, 7, 0, 180) - 90;
    t->modification = whole(seed, 5, 0, 1) ? x.modification : NULL;
    t->dropout = whole(seed, 6, 0, 1) ? x.dropout : NULL;
    return x;
}

static void destroy_inputs(inputs *x)
{
    for (int n = 0; n < INPUTS; n++) free(x->data[n]), free(x->bf16[n]);
    free(x->modification);
    free(x->dropout);
}

/* Rows of `columns` starting at 0.5, all between and around them guarded. */
static float *guarded(int64_t rows, int64_t columns)
{
    size_t count = (size_t)(rows * (columns + GAP) + GAP);
    float *data = floats(count);
    const uint32_t word = GUARD_WORD;
    for (size_t n = 0; n < count; n++) memcpy(&data[n], &word, sizeof word);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) data[GAP + r * (columns + GAP) + c] = 0.5f;
    return data;
}

/* A tile with room for what all kernels leave, guarded rows of gradients, and nothing computed. */
static results prepare(const inputs *x)
{
    results y = {.tile = x->tile};
    backward_tile *t = &y.tile;
    size_t tile = BACKWARD_QUERIES * BACKWARD_KEYS;
    const int64_t dimensions = backward_whole(t->D), columns = backward_whole(t->DV);
    y.scratch = floats((size_t)(dimensions + columns) * BACKWARD_QUERIES + 4 * BACKWARD_QUERIES + 3 * tile);
    t->minus_lse = y.scratch, t->offset = t->minus_lse + BACKWARD_QUERIES;
    t->delta = t->offset + BACKWARD_QUERIES;
    if (x->seed % 7 < 3) {
        t->distance_sums = t->delta + BACKWARD_QUERIES;
        for (int64_t m = 0; m < BACKWARD_QUERIES; m++) t->distance_sums[m] = 0.5f;
    }
    t->p_t = t->delta + 2 * BACKWARD_QUERIES, t->ds_t = t->p_t + tile;
    t->slope_t = t->ds_t + tile;
    t->q_t = t->slope_t + tile, t->grad_o_t = t->q_t + dimensions * BACKWARD_QUERIES;
    t->bent_row = (t->D + 15) / 16 * 16; /* a multiple of every set's lanes */
    t->bent = y.bent = floats((size_t)(t->bent_row * t->queries * t->keys));
    y.out[GRAD_Q] = guarded(t->queries, t->D);
    y.out[GRAD_K] = guarded(t->keys, t->D);
    y.out[GRAD_V] = guarded(t->keys, t->DV);
    t->grad_q = y.out[GRAD_Q] + GAP, t->grad_k = y.out[GRAD_K] + GAP, t->grad_v = y.out[GRAD_V] + GAP;
    y.out[GRAD_SCORE_VECTOR] = guarded(1, t->D);
    t->grad_score_vector = y.out[GRAD_SCORE_VECTOR] + GAP;
    t->grad_q_row = t->grad_k_row = t->D + GAP, t->grad_v_row = t->DV + GAP;
    return y;
}

static results run(const inputs *x, const backward_kernels *kernels)
{
    results y = prepare(x);
    kernels->begin(&y.tile);
    kernels->scores(&y.tile);
    kernels->products(&y.tile);
    return y;
}

static void destroy_results(results *y)
{
    for (int n = 0; n < OUTPUTS; n++) free(y->out[n]);
    free(y->scratch);
    free(y->bent);
}

static void check_rows(const inputs *x, const char *name, const float *got, const float *want, int64_t rows,
                       int64_t columns)
{
    for (int64_t n = 0; n < GAP + rows * (columns + GAP); n++) {
        bool inside = n >= GAP && (n - GAP) % (columns + GAP) < columns;
        if (!inside && memcmp(&got[n], &want[n], sizeof *got))
            fail_msg("seed %llu: %s was written outside its rows at %lld", (unsigned long long)x->seed, name,
                     (long long)n);
        if (inside && !(fabsf(got[n] - want[n]) <= 1e-4f))
            fail_msg("seed %llu: %s[%lld] is %.8g, the twin's %.8g", (unsigned long long)x->seed, name, (long long)n,
                     (double)got[n], (double)want[n]);
    }
}

static void check_distances(const inputs *x, const float *got, const float *want)
{
    for (int64_t m = 0; got && m < x->tile.queries; m++)
        if (!(fabsf(got[m] - want[m]) <= 1e-3f + 1e-5f * fabsf(want[m])))
            fail_msg("seed %llu: distance_sums[%lld] is %.8g, the twin's %.8g", (unsigned long long)x->seed,
                     (long long)m, (double)got[m], (double)want[m]);
}

static void every_set_agrees_with_its_twin(void **state)
{
    (void)state;
    kernel_table scalar, wide;
    kernels_fill(&scalar, CPU_SCALAR);
    for (int level = CPU_SCALAR + 1; level <= (int)cpu_detect()->found; level++) {
        kernels_fill(&wide, (cpu_level)level);
        for (uint64_t seed = 0; seed < 150; seed++) {
            inputs x = make_inputs(seed);
            results want = run(&x, &scalar.backward), got = run(&x, &wide.backward);
            check_rows(&x, "grad_q", got.out[GRAD_Q], want.out[GRAD_Q], x.tile.queries, x.tile.D);
            check_rows(&x, "grad_k", got.out[GRAD_K], want.out[GRAD_K], x.tile.keys, x.tile.D);
            check_rows(&x, "grad_score_vector", got.out[GRAD_SCORE_VECTOR], want.out[GRAD_SCORE_VECTOR], 1, x.tile.D);
            check_rows(&x, "grad_v", got.out[GRAD_V], want.out[GRAD_V], x.tile.keys, x.tile.DV);
            check_distances(&x, got.tile.distance_sums, want.tile.distance_sums);
            destroy_results(&want);
            destroy_results(&got);
            destroy_inputs(&x);
        }
    }
}

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
    return (uint32_t *)guarded(1, count);
}

/* Words that rows packed for products, or for scores, take. */
static int64_t packed_words(bool tiled, int64_t rows, int64_t columns)
{
    return tiled ? BACKWARD_QUERIES / 2 * backward_whole(columns) : (rows + 1) / 2 * columns;
}

static paired prepare_pairs(const inputs *x, const kernel_table *table)
{
    paired z = {.y = prepare(x), .tiled = table->pack_keys};
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
    t->p_bf16 = z.p = (uint16_t *)floats(TILE / 2), t->ds_bf16 = z.ds = (uint16_t *)floats(TILE / 2);
    t->ds_pairs = z.ds_pairs = (uint32_t *)floats(TILE / 2);
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

static void finite_rows_are_told_from_others(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int level = CPU_SCALAR; level <= (int)cpu_detect()->found; level++) {
        kernel_table table;
        kernels_fill(&table, (cpu_level)level);
        for (int64_t columns = 1; columns < 40; columns++) {
            float *rows = random_rows((uint64_t)columns, 3, columns);
            assert_true(table.backward.rows_finite(rows, columns + GAP, 3, columns));
            rows[columns] = NAN; /* in the gap */
            assert_true(table.backward.rows_finite(rows, columns + GAP, 3, columns));
            rows[2 * (columns + GAP) + columns - 1] = bad[columns % 3];
            assert_false(table.backward.rows_finite(rows, columns + GAP, 3, columns));
            free(rows);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_agrees_with_its_twin),   cmocka_unit_test(pairs_agree_with_their_twin),
        cmocka_unit_test(tiles_agree_with_pairs),           cmocka_unit_test(finite_pairs_are_told_from_others),
        cmocka_unit_test(finite_rows_are_told_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
