/* Each instruction set's decoding kernel against the scalar twin: the same random chunk to both, rows of K and V
 * scattered, guards around the scratch and every row that is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guarded_floats.h"

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

/* Rows in an order of their own, each ending where its allocation does: what reads beyond one is seen by the address
 * sanitizer, and meets NaN elsewhere. */
typedef struct scattered {
    void *data[DECODE_CHUNK + DECODE_SPARE];
} scattered;

static void put(attn_dtype type, void *row, int64_t c, float x)
{
    if (type == ATTN_DTYPE_F32)
        ((float *)row)[c] = x;
    else if (type == ATTN_DTYPE_INT8)
        ((int8_t *)row)[c] = (int8_t)lrintf(127 * x);
    else
        ((uint16_t *)row)[c] = type == ATTN_DTYPE_BF16 ? bf16_of_float(x) : fp16_of_float(x);
}

static void scatter(scattered *rows, attn_dtype type, uint64_t stream, int64_t count, int64_t columns)
{
    for (int64_t n = 0; n < count; n++) {
        rows->data[n] = malloc((size_t)columns * (type == ATTN_DTYPE_F32 ? 4 : type == ATTN_DTYPE_INT8 ? 1 : 2));
        for (int64_t c = 0; c < columns; c++) put(type, rows->data[n], c, uniform(stream, (uint64_t)(n * columns + c)));
    }
    for (int64_t n = count; n < count + DECODE_SPARE; n++) rows->data[n] = rows->data[count - 1];
}

static void gather(scattered *rows, int64_t count)
{
    for (int64_t n = 0; n < count; n++) free(rows->data[n]);
}

/* One random chunk; what a level writes to o and lse, which has a gap behind each row. */
typedef struct problem {
    decode_chunk chunk;
    int64_t o_size, lse_size;
    uint16_t *q_bf16;
    float *q, *modification, *k_scales, *v_scales;
    scattered k, v;
} problem;

static void mask_some(problem *p)
{
    decode_chunk *x = &p->chunk;
    int64_t rows = x->heads * x->queries;
    p->modification = malloc((size_t)(rows * DECODE_CHUNK) * sizeof(float));
    for (int64_t n = 0; n < rows * DECODE_CHUNK; n++)
        p->modification[n] = whole(1000 + (uint64_t)n, 0, 3) ? uniform(13, (uint64_t)n) : -INFINITY;
    int64_t hidden = whole(9, 0, x->keys - 1); /* a key that nobody sees */
    for (int64_t m = 0; m < rows; m++) p->modification[m * DECODE_CHUNK + hidden] = -INFINITY;
    if (x->type == ATTN_DTYPE_INT8) p->k_scales[hidden] = p->v_scales[hidden] = NAN;
    for (int64_t c = 0; c < x->D && x->type != ATTN_DTYPE_INT8; c++) put(x->type, p->k.data[hidden], c, NAN);
    for (int64_t c = 0; c < x->DV && x->type != ATTN_DTYPE_INT8; c++) put(x->type, p->v.data[hidden], c, NAN);
    for (int64_t n = 0; n < x->keys; n++) p->modification[n] = -INFINITY; /* and a row that sees none */
    x->modification = p->modification;
}

static problem *make_problem(uint64_t seed, bool in_pairs)
{
    seed_of_test = seed;
    problem *p = calloc(1, sizeof *p);
    decode_chunk *x = &p->chunk;
    x->heads = whole(0, 1, 9), x->queries = whole(1, 1, DECODE_ROWS / x->heads);
    x->keys = whole(2, 0, 3) ? whole(3, 1, 70) : whole(4, 1, DECODE_CHUNK);
    x->D = whole(5, 0, 2) ? whole(15, 0, 70) : 32 * whole(16, 2, 6), x->DV = whole(6, 0, 200);
    x->scale = -0.4f, x->softcap = whole(7, 0, 1) ? 2 : 0;
    x->type = in_pairs ? (seed % 2 ? ATTN_DTYPE_INT8 : ATTN_DTYPE_BF16) : (attn_dtype)(seed % 4);
    x->q_row = x->D + GAP, x->q_head = x->queries * x->q_row;
    x->o_row = x->DV + GAP, x->o_head = x->queries * x->o_row;
    x->lse_row = 2, x->lse_head = x->queries * 2;
    p->o_size = GAP + x->heads * x->o_head, p->lse_size = GAP + x->heads * x->lse_head;
    int64_t count = x->heads * x->q_head;
    x->q = p->q = malloc((size_t)count * sizeof(float));
    for (int64_t n = 0; n < count; n++) p->q[n] = n % x->q_row < x->D ? uniform(10, (uint64_t)n) : NAN;
    if (in_pairs) {
        x->q = NULL, x->q_bf16 = p->q_bf16 = malloc((size_t)count * sizeof *p->q_bf16);
        for (int64_t n = 0; n < count; n++) p->q_bf16[n] = bf16_of_float(p->q[n]);
    }
    scatter(&p->k, x->type, 11, x->keys, x->D);
    scatter(&p->v, x->type, 12, x->keys, x->DV);
    x->k = (const void *const *)p->k.data, x->v = (const void *const *)p->v.data;
    p->k_scales = malloc((size_t)x->keys * sizeof(float)), p->v_scales = malloc((size_t)x->keys * sizeof(float));
    for (int64_t n = 0; n < x->keys; n++) {
        p->k_scales[n] = (1 + uniform(14, (uint64_t)n)) / 127;
        p->v_scales[n] = (1 + uniform(15, (uint64_t)n)) / 127;
    }
    if (x->type == ATTN_DTYPE_INT8) x->k_scales = p->k_scales, x->v_scales = p->v_scales;
    if (whole(8, 0, 1)) mask_some(p);
    x->near = whole(17, 0, 1);
    return p;
}

static void destroy_problem(problem *p)
{
    gather(&p->k, p->chunk.keys);
    gather(&p->v, p->chunk.keys);
    free(p->q);
    free(p->q_bf16);
    free(p->modification);
    free(p->k_scales);
    free(p->v_scales);
    free(p);
}

/* O's rows and behind them the log-sum-exps. */
static float *run(const problem *p, decode_chunk_kernel *kernel)
{
    decode_chunk x = p->chunk;
    int64_t scratch = (int64_t)decode_scratch((size_t)(x.heads * x.queries));
    float *out = guards(p->o_size + p->lse_size);
    x.scratch = guards(scratch + GAP), x.o = out + GAP, x.lse = out + p->o_size + GAP;
    kernel(&x);
    for (int n = 0; n < GAP; n++) assert_true(is_guard(&x.scratch[scratch + n]));
    free(x.scratch);
    return out;
}

static void compare(const problem *p, const float *got, const float *want, float slack)
{
    for (int64_t n = 0; n < p->o_size + p->lse_size; n++) {
        int64_t o = n - GAP, lse = o - p->o_size;
        bool inside = n < p->o_size ? o >= 0 && o % p->chunk.o_row < p->chunk.DV : lse >= 0 && lse % 2 == 0;
        if (inside == is_guard(&got[n]))
            fail_msg("seed %llu: float %lld was %swritten", (unsigned long long)seed_of_test, (long long)n,
                     inside ? "not " : "");
        if (inside && got[n] != want[n] && !(fabsf(got[n] - want[n]) <= slack * (1 + fabsf(want[n]))))
            fail_msg("seed %llu: float %lld is %.9g, the twin's %.9g", (unsigned long long)seed_of_test, (long long)n,
                     (double)got[n], (double)want[n]);
    }
}

static void decoding_agrees_with_its_twin(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        problem *p = make_problem(seed, false);
        kernel_table table;
        kernels_fill(&table, CPU_SCALAR);
        float *want = run(p, table.decode_chunk);
        for (int level = CPU_SCALAR + 1; level <= (int)cpu_detect()->found; level++) {
            kernels_fill(&table, (cpu_level)level);
            float *got = run(p, table.decode_chunk);
            compare(p, got, want, 2e-6f);
            free(got);
        }
        free(want);
        destroy_problem(p);
    }
}

/* Of how memory is asked, and how many keys are gone through at a time, the bits know nothing. */
static void near_keys_have_the_bits_of_far_ones(void **state)
{
    (void)state;
    kernel_table table;
    kernels_fill(&table, cpu_detect()->found);
    for (uint64_t seed = 300; seed < 500; seed++) {
        const bool in_pairs = seed >= 400;
        decode_chunk_kernel *kernel = in_pairs ? table.decode_pairs : table.decode_chunk;
        if (!kernel) continue;
        problem *p = make_problem(seed, in_pairs);
        float *one = run(p, kernel);
        p->chunk.near = !p->chunk.near;
        float *other = run(p, kernel);
        if (memcmp(one, other, (size_t)(p->o_size + p->lse_size) * sizeof *one))
            fail_msg("seed %llu: far keys have other bits than near ones", (unsigned long long)seed);
        free(one);
        free(other);
        destroy_problem(p);
    }
}

decode_chunk_kernel decode_pairs_scalar;

/* Their twin is in no table: the scalar level makes rows fp32. Where the two round a weight to neighbouring bf16, O
 * differs by a part of that weight. */
static void pairs_agree_with_their_twin(void **state)
{
    (void)state;
    kernel_table table;
    kernels_fill(&table, cpu_detect()->found);
    if (!table.decode_pairs) return;
    for (uint64_t seed = 1000; seed < 1200; seed++) {
        problem *p = make_problem(seed, true);
        float *want = run(p, decode_pairs_scalar), *got = run(p, table.decode_pairs);
        compare(p, got, want, 0x1p-8f);
        free(want);
        free(got);
        destroy_problem(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoding_agrees_with_its_twin),
        cmocka_unit_test(near_keys_have_the_bits_of_far_ones),
        cmocka_unit_test(pairs_agree_with_their_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
