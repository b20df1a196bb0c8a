#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backward_inputs.h"
#include "guarded_floats.h"

#include "base/number_format.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_COLUMNS 150

float *whole_lines(size_t count)
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

float *random_rows(uint64_t seed, int64_t rows, int64_t columns)
{
    size_t count = (size_t)(rows * (columns + GAP));
    float *data = whole_lines(count);
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
uint16_t *rounded_rows(const float *data, int64_t rows, int64_t columns)
{
    const size_t count = (size_t)(rows ? (rows - 1) * (columns + GAP) + columns : 0);
    uint16_t *x = malloc(count * sizeof *x + 1);
    for (size_t n = 0; n < count; n++) x[n] = bf16_of_float(data[n]);
    return x;
}

inputs make_inputs(uint64_t seed)
{
    inputs x = {.seed = seed};
    backward_tile *t = &x.tile;
    t->queries = whole(seed, 0, 1, BACKWARD_QUERIES), t->keys = whole(seed, 1, 1, BACKWARD_KEYS);
    bool additive = seed % 3 == 0;
    if (additive) t->queries = 1 + t->queries % ADDITIVE_QUERIES, t->keys = 1 + t->keys % ADDITIVE_KEYS;
    if (seed % 6 == 0) t->queries = 1; /* additive too */
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
    x.modification = whole_lines(pairs), x.dropout = whole_lines(pairs);
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

void destroy_inputs(inputs *x)
{
    for (int n = 0; n < INPUTS; n++) free(x->data[n]), free(x->bf16[n]);
    free(x->modification);
    free(x->dropout);
}

float *guarded_rows(int64_t rows, int64_t columns)
{
    float *data = guards(rows * (columns + GAP) + GAP);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) data[GAP + r * (columns + GAP) + c] = 0.5f;
    return data;
}

results prepare_results(const inputs *x)
{
    results y = {.tile = x->tile};
    backward_tile *t = &y.tile;
    size_t tile = BACKWARD_QUERIES * BACKWARD_KEYS;
    const int64_t dimensions = backward_whole(t->D), columns = backward_whole(t->DV);
    y.scratch = whole_lines((size_t)(dimensions + columns) * BACKWARD_QUERIES + 4 * BACKWARD_QUERIES + 3 * tile);
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
    t->bent = y.bent = whole_lines((size_t)(t->bent_row * t->queries * t->keys));
    y.out[GRAD_Q] = guarded_rows(t->queries, t->D);
    y.out[GRAD_K] = guarded_rows(t->keys, t->D);
    y.out[GRAD_V] = guarded_rows(t->keys, t->DV);
    t->grad_q = y.out[GRAD_Q] + GAP, t->grad_k = y.out[GRAD_K] + GAP, t->grad_v = y.out[GRAD_V] + GAP;
    y.out[GRAD_SCORE_VECTOR] = guarded_rows(1, t->D);
    t->grad_score_vector = y.out[GRAD_SCORE_VECTOR] + GAP;
    t->grad_q_row = t->grad_k_row = t->D + GAP, t->grad_v_row = t->DV + GAP;
    return y;
}

void destroy_results(results *y)
{
    for (int n = 0; n < OUTPUTS; n++) free(y->out[n]);
    free(y->scratch);
    free(y->bent);
}

void check_rows(const inputs *x, const char *name, const float *got, const float *want, int64_t rows, int64_t columns)
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

void check_distances(const inputs *x, const float *got, const float *want)
{
    for (int64_t m = 0; got && m < x->tile.queries; m++)
        if (!(fabsf(got[m] - want[m]) <= 1e-3f + 1e-5f * fabsf(want[m])))
            fail_msg("seed %llu: distance_sums[%lld] is %.8g, the twin's %.8g", (unsigned long long)x->seed,
                     (long long)m, (double)got[m], (double)want[m]);
}
