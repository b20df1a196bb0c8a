/* Each instruction set's forward and modification kernels against the scalar twin: the same random block to both, every
 * number of queries, guards around the scratch and every row that is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guarded_floats.h"
#include "tile_standin.h"

#include "base/number_format.h"
#include "base/random.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>

#define GAP 5

static uint64_t seed_of_test;

static int64_t whole(uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed_of_test, n, 1).word[0] % (high - low + 1);
}

static float uniform(uint64_t stream, uint64_t n)
{
    return 2 * random_unit(random_philox(seed_of_test, n, stream).word[0]) - 1;
}

static float *random_floats(uint64_t stream, int64_t count)
{
    float *x = malloc((size_t)count * sizeof *x + 1);
    for (int64_t n = 0; n < count; n++) x[n] = uniform(stream, (uint64_t)n);
    return x;
}

/* What stands behind the last one is not theirs to read: the address sanitizer watches. */
static uint16_t *rounded(const float *x, int64_t count)
{
    uint16_t *y = malloc((size_t)count * sizeof *y + 1);
    for (int64_t n = 0; n < count; n++) y[n] = bf16_of_float(x[n]);
    return y;
}

typedef struct problem {
    int64_t queries, keys, D, DV;
    float softcap, *q, *k, *v;
    float *score_vector; /* NULL: scaled products */
    float sink, slope;   /* a slope of 0: none */
    int64_t distance;
    uint16_t *q16, *k16, *v16; /* the same in bf16 */
    bool called;               /* with a function */
    bool distances_alone;      /* neither mask nor bias */
    bool by_bits;              /* the mask alone, as bits, with queries in lanes */
    uint8_t *mask;
    float *bias, *factors; /* [query][key] */
    bool modified, dropped;
} problem;

/* Different for every pair that its tile says it holds. */
static void odd_function(void *user, const attn_tile *t)
{
    assert_null(user);
    assert_null(t->slopes);
    for (int64_t m = 0; m < t->queries; m++)
        for (int64_t n = 0; n < t->keys; n++)
            t->values[m * t->query_step + n * t->key_step] *=
                1 - 0.01f * (float)((t->query + m + 2 * (t->key + n) + t->head) % 11);
}

static problem make_problem(uint64_t seed, int64_t most_queries)
{
    seed_of_test = seed;
    problem p = {.queries = whole(0, 1, most_queries), .keys = whole(1, 1, 2 * FORWARD_CHUNK + 20)};
    p.D = whole(2, 0, 70), p.DV = whole(3, 0, 70), p.softcap = whole(4, 0, 1) ? 2 : 0;
    p.q = random_floats(10, p.queries * (p.D + GAP));
    p.k = random_floats(11, p.keys * (p.D + GAP));
    p.v = random_floats(12, p.keys * (p.DV + GAP));
    p.q16 = rounded(p.q, p.queries * (p.D + GAP));
    p.k16 = rounded(p.k, p.keys * (p.D + GAP));
    p.v16 = rounded(p.v, p.keys * (p.DV + GAP));
    p.bias = random_floats(13, p.queries * p.keys);
    p.factors = random_floats(14, p.queries * p.keys);
    p.mask = malloc((size_t)(p.queries * p.keys));
    for (int64_t n = 0; n < p.queries * p.keys; n++) {
        p.mask[n] = whole(100 + (uint64_t)n, 0, 3) != 0;
        p.factors[n] = p.factors[n] > 0 ? 2 : 0;
    }
    p.modified = whole(5, 0, 1), p.dropped = whole(6, 0, 1);
    p.sink = whole(7, 0, 2) ? uniform(15, 0) : -INFINITY;
    p.slope = whole(8, 0, 1) ? 0.01f * uniform(15, 1) : 0;
    p.called = whole(11, 0, 3) == 0;
    p.distance = whole(9, -100, 100);
    p.distances_alone = p.slope != 0 && whole(10, 0, 1);
    p.by_bits = p.modified && whole(12, 0, 1);
    return p;
}

static void destroy_problem(problem *p)
{
    void *all[] = {p->score_vector, p->q, p->k, p->v, p->q16, p->k16, p->v16, p->bias, p->factors, p->mask};
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) free(all[n]);
}

typedef enum layout { ROWS, LANES, PAIRS } layout;

static const forward_kernels *kernels_of(const kernel_table *table, layout how)
{
    return how == ROWS ? &table->forward_rows : how == LANES ? &table->forward_lanes : &table->forward_pairs;
}

static int64_t whole_tiles(int64_t count)
{
    return (count + 31) / 32 * 32;
}

/* The mask of so many keys from j on as bits. */
static void see(const problem *p, const kernel_table *table, int64_t j, int64_t keys, uint64_t seen[FORWARD_CHUNK])
{
    table->seen(&(seen_tile){
        .queries = p->queries, .keys = keys, .mask = p->mask + j, .mask_row = p->keys, .mask_column = 1, .seen = seen});
    for (int64_t n = 0; n < keys; n++)
        for (int64_t m = 0; m < p->queries; m++) assert_int_equal(seen[n] >> m & 1, p->mask[m * p->keys + j + n] != 0);
}

/* O's rows and then the log-sum-exps, guarded; the chunk's own arrays in the layout of lanes or rows. */
static float *run(const problem *p, const kernel_table *table, layout how)
{
    const forward_kernels *kernels = kernels_of(table, how);
    const bool lanes = how != ROWS;
    size_t size = lanes ? forward_lanes_scratch((size_t)p->D, (size_t)p->DV) : forward_rows_scratch((size_t)p->DV);
    int64_t stride = lanes ? (p->queries + kernels->lanes - 1) / kernels->lanes * kernels->lanes : FORWARD_CHUNK;
    int64_t query_step = lanes ? 1 : stride, key_step = lanes ? stride : 1, tile = FORWARD_LANE_QUERIES * FORWARD_CHUNK;
    const int64_t wide = p->DV + GAP, paired = FORWARD_CHUNK / 2 * whole_tiles(p->DV),
                  packed = FORWARD_CHUNK / 2 * whole_tiles(p->D);
    const bool packs_keys = how == PAIRS && table->pack_keys;
    float *joined = guards(paired + GAP), *keys_packed = guards(packed + GAP), *scratch = guards((int64_t)size + GAP),
          *modification = guards(tile), *factors = guards(tile);
    const bool by_bits = p->by_bits && lanes;
    uint64_t seen[FORWARD_CHUNK];
    float *out = guards(GAP + p->queries * (wide + 2));
    const forward_block block = {.queries = p->queries,
                                 .D = p->D,
                                 .DV = p->DV,
                                 .scale = -0.4f,
                                 .softcap = p->softcap,
                                 .q = p->q,
                                 .q_bf16 = p->q16,
                                 .q_row = p->D + GAP,
                                 .score_vector = p->score_vector,
                                 .sink = &p->sink,
                                 .o = out + GAP,
                                 .o_row = wide,
                                 .lse = out + GAP + p->queries * wide,
                                 .lse_row = 2,
                                 .function = {.call = p->called ? odd_function : NULL, .at = {.head = 3, .query = 40}},
                                 .scratch = scratch};
    lines_ahead ahead = {0};
    kernels->begin(&block);
    for (int64_t j = 0; j < p->keys; j += FORWARD_CHUNK) {
        int64_t keys = p->keys - j < FORWARD_CHUNK ? p->keys - j : FORWARD_CHUNK;
        const bool alone = p->distances_alone;
        const modification_tile m = {.queries = p->queries,
                                     .keys = keys,
                                     .mask = alone ? NULL : p->mask + j,
                                     .mask_row = p->keys,
                                     .mask_column = 1,
                                     .bias = alone ? NULL : p->bias + j,
                                     .bias_row = p->keys,
                                     .bias_column = 1,
                                     .out = modification,
                                     .query_step = query_step,
                                     .key_step = key_step,
                                     .slope = p->slope,
                                     .distance = p->distance - j};
        const attn_tile_kept kept = table->modification(&m);
        bool want_any = false, want_all = true;
        for (int64_t i = 0; i < p->queries; i++)
            for (int64_t n = 0; n < keys; n++) {
                int64_t pair = i * p->keys + j + n;
                float want = (alone ? 0 : p->bias[pair]) + p->slope * -fabsf((float)(p->distance + i - j - n));
                if (!alone && !p->mask[pair]) want = -INFINITY;
                want_any |= want != -INFINITY, want_all &= want != -INFINITY;
                assert_true(modification[i * query_step + n * key_step] == want);
                factors[i * query_step + n * key_step] = p->factors[pair];
            }
        assert_int_equal(kept, want_all ? ATTN_TILE_ALL : want_any ? ATTN_TILE_SOME : ATTN_TILE_NONE);
        bool masked = kept != ATTN_TILE_ALL;
        if (by_bits) masked = true, see(p, table, j, keys, seen);
        const uint16_t *k16 = p->k16 + j * (p->D + GAP);
        if (how == PAIRS) table->pack_values(p->v16 + j * wide, wide, keys, p->DV, (uint32_t *)joined);
        if (packs_keys) table->pack_keys(k16, p->D + GAP, keys, p->D, (uint32_t *)keys_packed);
        lines_ahead_add(&ahead, p->v, p->D + GAP, p->D, keys);
        lines_ahead_turn(&ahead);
        kernels->step(&block, &(forward_chunk){.k = p->k + j * (p->D + GAP),
                                               .k_bf16 = packs_keys ? (const uint16_t *)keys_packed : k16,
                                               .v_pairs = (const uint32_t *)joined,
                                               .v = p->v + j * (p->DV + GAP),
                                               .k_row = p->D + GAP,
                                               .v_row = how == PAIRS ? p->DV : wide,
                                               .key = j,
                                               .keys = keys,
                                               .modification = p->modified && !by_bits ? modification : NULL,
                                               .seen = by_bits ? seen : NULL,
                                               .masked = masked,
                                               .dropout = p->dropped ? factors : NULL,
                                               .ahead = &ahead});
    }
    kernels->finish(&block);
    for (int n = 0; n < GAP; n++) {
        assert_true(is_guard(&scratch[size + (size_t)n]));
        assert_true(is_guard(&joined[paired + n]) && is_guard(&keys_packed[packed + n]));
    }
    free(joined);
    free(keys_packed);
    free(scratch);
    free(modification);
    free(factors);
    return out;
}

/* Log-sum-exps within 2e-6, O within that too, or a weight's last bit. */
static void compare(const problem *p, const float *got, const float *want, float weight)
{
    int64_t wide = p->DV + GAP, rows = p->queries * wide;
    for (int64_t n = 0; n < GAP + rows + 2 * p->queries; n++) {
        int64_t at = n - GAP;
        bool inside = at >= 0 && (at < rows ? at % wide < p->DV : (at - rows) % 2 == 0);
        if (inside == is_guard(&got[n]))
            fail_msg("seed %llu: float %lld was %swritten", (unsigned long long)seed_of_test, (long long)n,
                     inside ? "not " : "");
        const float tolerance = at < rows ? 2e-6f + weight : 2e-6f;
        if (inside && got[n] != want[n] && !(fabsf(got[n] - want[n]) <= tolerance * (1 + fabsf(want[n]))))
            fail_msg("seed %llu: float %lld is %.9g, the twin's %.9g", (unsigned long long)seed_of_test, (long long)n,
                     (double)got[n], (double)want[n]);
    }
}

static void compare_levels(uint64_t seed, layout how)
{
    problem p = make_problem(seed, how == ROWS ? FORWARD_ROW_QUERIES : FORWARD_LANE_QUERIES);
    if (how == ROWS && seed % 2) p.score_vector = random_floats(15, p.D);
    kernel_table table;
    kernels_fill(&table, CPU_SCALAR);
    float *want = run(&p, &table, how);
    for (int level = CPU_SCALAR + 1; level <= (int)cpu_detect()->found; level++) {
        kernels_fill(&table, (cpu_level)level);
        float *got = run(&p, &table, how);
        compare(&p, got, want, 0);
        free(got);
    }
    free(want);
    destroy_problem(&p);
}

static void lanes_agree_with_their_twin(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 250; seed++) compare_levels(seed, LANES);
}

static void rows_agree_with_their_twin(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1150; seed++) compare_levels(seed, ROWS);
}

#if defined(__x86_64__)
#define PAIRS_LEVEL CPU_AVX512BF16
#else
#define PAIRS_LEVEL CPU_LEVELS /* none */
#endif

pair_rows_kernel pair_rows_scalar;
forward_begin_kernel forward_pairs_begin_scalar;
forward_step_kernel forward_pairs_step_scalar;

static void add_pairs(kernel_table *table)
{
    table->forward_pairs =
        (forward_kernels){forward_pairs_begin_scalar, forward_pairs_step_scalar, table->forward_lanes.finish, 1};
    table->pack_values = pair_rows_scalar;
}

/* Their twin is in no table: the scalar level makes rows fp32. Where the two round a weight to neighbouring bf16, O
 * differs by as much of a value. */
static void pairs_agree_with_their_twin(void **state)
{
    (void)state;
    kernel_table twin, table;
    kernels_fill(&twin, CPU_SCALAR);
    assert_null(twin.forward_pairs.step);
    add_pairs(&twin);
    if (cpu_detect()->found < PAIRS_LEVEL) skip();
    kernels_fill(&table, PAIRS_LEVEL);
    for (uint64_t seed = 2000; seed < 2250; seed++) {
        problem p = make_problem(seed, FORWARD_LANE_QUERIES);
        float *want = run(&p, &twin, PAIRS), *got = run(&p, &table, PAIRS);
        compare(&p, got, want, 0x1p-9f);
        free(want);
        free(got);
        destroy_problem(&p);
    }
}

/* The tiles' body with its plain C stand-in against products of pairs in plain C, which sum in another order; then the
 * same body with other vectors, and with AMX's tiles where the CPU has them, against the stand-in. */
static void tiles_agree_with_their_twin(void **state)
{
    (void)state;
    kernel_table pairs, twin, wide, amx;
    kernels_fill(&pairs, CPU_SCALAR);
    add_pairs(&pairs);
    kernels_fill(&twin, CPU_SCALAR);
    tiles_set_scalar(&twin);
    const bool has_wide = tile_standin_fill(&wide, cpu_detect()->found), has_amx = cpu_detect()->found > PAIRS_LEVEL;
    if (has_amx) kernels_fill(&amx, cpu_detect()->found);
    for (uint64_t seed = 3000; seed < 3100; seed++) {
        problem p = make_problem(seed, FORWARD_LANE_QUERIES);
        float *plain = run(&p, &pairs, PAIRS), *want = run(&p, &twin, PAIRS);
        compare(&p, want, plain, 0x1p-9f);
        const kernel_table *const others[] = {has_wide ? &wide : NULL, has_amx ? &amx : NULL};
        for (int n = 0; n < 2; n++) {
            if (!others[n]) continue;
            float *got = run(&p, others[n], PAIRS);
            compare(&p, got, want, 0x1p-9f);
            free(got);
        }
        free(plain);
        free(want);
        destroy_problem(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_agree_with_their_twin),
        cmocka_unit_test(rows_agree_with_their_twin),
        cmocka_unit_test(pairs_agree_with_their_twin),
        cmocka_unit_test(tiles_agree_with_their_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
