/* Each instruction set's double backward kernels against the scalar twin: the same random tile to both, of odd sizes
 * and strides; rows of keys end where the array ends, so that a sanitizer sees what is read beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_COLUMNS 90
#define PAIRS ((size_t)(BACKWARD_QUERIES * BACKWARD_KEYS))

enum { Q_T, GRAD_O_T, U_T, K, V, W, Y, MINUS_LSE, DELTA, RHO, SIGMA, MODIFICATION, DROPOUT, Z, INPUTS };
enum { P, MA, DS, BY_S, BY_X, RHO_SUM, SIGMA_SUM, RESULTS };

typedef struct problem {
    float *in[INPUTS];
    backward_tile first;
    double_tile tile;
    bool by_bias;
} problem;

static int64_t whole(uint64_t seed, uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed, n, 1).word[0] % (high - low + 1);
}

static float *random_floats(uint64_t seed, size_t count, float low, float high)
{
    float *data = aligned_alloc(64, (count * sizeof(float) + 64) / 64 * 64);
    for (size_t n = 0; n < count; n++) data[n] = low + (high - low) * random_unit(random_philox(seed, n, 0).word[0]);
    return data;
}

static problem make_problem(uint64_t seed)
{
    problem x = {.first = {.queries = whole(seed, 0, 1, BACKWARD_QUERIES), .keys = whole(seed, 1, 1, BACKWARD_KEYS)}};
    backward_tile *t = &x.first;
    t->D = whole(seed, 2, 0, MOST_COLUMNS), t->DV = whole(seed, 3, 0, MOST_COLUMNS);
    t->scale = 0.3f, t->softcap = whole(seed, 4, 0, 1) ? 0 : 2;
    t->k_row = t->D + 3, t->v_row = t->DV + 1, x.tile.w_row = t->D + 2, x.tile.y_row = t->DV + 5;
    const size_t D = (size_t)t->D, DV = (size_t)t->DV, keys = (size_t)t->keys, lanes = BACKWARD_QUERIES;
    const size_t sizes[INPUTS] = {D * lanes,      DV * lanes,      D * lanes, keys * (D + 3), keys * (DV + 1),
                                  keys * (D + 2), keys * (DV + 5), lanes,     lanes,          lanes,
                                  lanes,          PAIRS,           PAIRS,     PAIRS};
    for (int n = 0; n < INPUTS; n++) x.in[n] = random_floats(random_derive(seed, (uint64_t)n), sizes[n], -1, 1);
    for (size_t m = 0; m < lanes; m++) x.in[MINUS_LSE][m] -= 4; /* weights of some hundredths */
    if (seed % 5 == 1) x.in[MINUS_LSE][0] = -INFINITY;
    for (size_t n = 0; n < PAIRS; n++) {
        if (whole(seed, 1000 + n, 0, 3) == 0) x.in[MODIFICATION][n] = -INFINITY;
        x.in[DROPOUT][n] = whole(seed, 20000 + n, 0, 3) ? 1.25f : 0;
    }
    t->q_t = x.in[Q_T], t->grad_o_t = x.in[GRAD_O_T], t->k = x.in[K], t->v = x.in[V];
    t->minus_lse = x.in[MINUS_LSE], t->delta = x.in[DELTA];
    t->modification = seed % 2 ? x.in[MODIFICATION] : NULL;
    t->dropout = seed % 3 ? x.in[DROPOUT] : NULL;
    x.by_bias = seed % 2;
    x.tile.u_t = seed % 4 == 3 ? NULL : x.in[U_T];
    x.tile.w = seed % 7 == 3 ? NULL : x.in[W];
    x.tile.y = seed % 5 == 3 ? NULL : x.in[Y];
    return x;
}

/* Lanes beyond the queries are not looked at. */
static void run(const problem *x, const double_kernels *kernels, float *results[RESULTS])
{
    for (int n = 0; n < RESULTS; n++) results[n] = random_floats(7, n < RHO_SUM ? PAIRS : BACKWARD_QUERIES, 0, 1);
    backward_tile first = x->first;
    double_tile t = x->tile;
    t.first = &first;
    if (x->by_bias) memcpy(t.bias_t = results[BY_X], x->in[Z], PAIRS * sizeof(float));
    first.p_t = results[P], first.ds_t = results[MA], t.ds_t = results[DS], t.by_s_t = results[BY_S];
    t.rho = results[RHO_SUM], t.sigma = results[SIGMA_SUM];
    kernels->sums(&t);
    t.rho = x->in[RHO], t.sigma = x->in[SIGMA];
    kernels->scores(&t);
}

static void check_near(uint64_t seed, int level, int result, int64_t m, int64_t n, float got, float want)
{
    float bound = 2e-5f * fmaxf(1, fabsf(want));
    if (!(fabsf(got - want) <= bound))
        fail_msg("seed %llu, level %d: result %d of query %lld, key %lld is %.9g, the scalar twin has %.9g",
                 (unsigned long long)seed, level, result, (long long)m, (long long)n, got, want);
}

static void compare(uint64_t seed, int level, const double_kernels *kernels, const double_kernels *twin)
{
    problem x = make_problem(seed);
    float *got[RESULTS], *want[RESULTS];
    run(&x, kernels, got);
    run(&x, twin, want);
    for (int64_t m = 0; m < x.first.queries; m++) {
        for (int result = RHO_SUM; result < RESULTS; result++)
            check_near(seed, level, result, m, -1, got[result][m], want[result][m]);
        for (int64_t n = 0; n < x.first.keys; n++) {
            int64_t at = n * BACKWARD_QUERIES + m;
            bool masked = x.first.modification && x.first.modification[at] == -INFINITY;
            for (int result = 0; result < RHO_SUM; result++) {
                check_near(seed, level, result, m, n, got[result][at], want[result][at]);
                if (masked && (result != BY_X || x.by_bias)) assert_true(got[result][at] == 0);
            }
        }
    }
    for (int n = 0; n < RESULTS; n++) free(got[n]), free(want[n]);
    for (int n = 0; n < INPUTS; n++) free(x.in[n]);
}

static void kernels_agree_with_their_scalar_twin(void **state)
{
    (void)state;
    kernel_table twin, table;
    kernels_fill(&twin, CPU_SCALAR);
    for (int level = CPU_SCALAR + 1; level <= (int)cpu_detect()->found; level++) {
        kernels_fill(&table, (cpu_level)level);
        for (uint64_t seed = 1; seed <= 60; seed++) compare(seed, level, &table.double_backward, &twin.double_backward);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kernels_agree_with_their_scalar_twin)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
