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

/* Of each row its largest score, its sum and a gap. */
#define SUM_ROW 3

/* One random chunk; what a level writes to o and, behind it, largest and sum. */
typedef struct problem {
    decode_chunk chunk;
    int64_t o_size, sum_size;
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
    x->sum_row = SUM_ROW, x->sum_head = x->queries * SUM_ROW;
    p->o_size = GAP + x->heads * x->o_head, p->sum_size = GAP + x->heads * x->sum_head;
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
    x->near = whole(17, 0, 1), x->far = !x->near && whole(18, 0, 1);
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

/* O's rows and behind them their largest scores and sums. */
static float *run(const problem *p, decode_chunk_kernel *kernel)
{
    decode_chunk x = p->chunk;
    int64_t scratch = (int64_t)decode_scratch((size_t)(x.heads * x.queries));
    float *out = guards(p->o_size + p->sum_size);
    x.scratch = guards(scratch + GAP), x.o = out + GAP, x.largest = out + p->o_size + GAP, x.sum = x.largest + 1;
    kernel(&x);
    for (int n = 0; n < GAP; n++) assert_true(is_guard(&x.scratch[scratch + n]));
    free(x.scratch);
    return out;
}

/* What two kernels agree on: in place of a sum the log-sum-exp, since the sum moves with its largest score's rounding.
 */
static float comparable(const problem *p, const float *out, int64_t n)
{
    const int64_t sum = n - p->o_size - GAP;
    return sum >= 0 && sum % SUM_ROW == 1 ? out[n - 1] + logf(out[n]) : out[n];
}

static void compare(const problem *p, const float *got, const float *want, float slack)
{
    for (int64_t n = 0; n < p->o_size + p->sum_size; n++) {
        int64_t o = n - GAP, sum = o - p->o_size;
        bool inside = n < p->o_size ? o >= 0 && o % p->chunk.o_row < p->chunk.DV : sum >= 0 && sum % SUM_ROW < 2;
        if (inside == is_guard(&got[n]))
            fail_msg("seed %llu: float %lld was %swritten", (unsigned long long)seed_of_test, (long long)n,
                     inside ? "not " : "");
        const float x = comparable(p, got, n), twin = comparable(p, want, n);
        if (inside && x != twin && !(fabsf(x - twin) <= slack * (1 + fabsf(twin))))
            fail_msg("seed %llu: float %lld is %.9g, the twin's %.9g", (unsigned long long)seed_of_test, (long long)n,
                     (double)x, (double)twin);
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

static decode_chunk_kernel *kernel_of_bf16(const kernel_table *table, attn_dtype cached)
{
    return cached == ATTN_DTYPE_INT8 ? table->decode_bytes : table->decode_pairs;
}

/* Of how memory is asked, and how many keys are gone through at a time, the bits know nothing. */
static void near_keys_have_the_bits_of_far_ones(void **state)
{
    (void)state;
    kernel_table table;
    kernels_fill(&table, cpu_detect()->found);
    for (uint64_t seed = 300; seed < 500; seed++) {
        const bool in_pairs = seed >= 400;
        if (in_pairs && !table.decode_pairs) continue;
        problem *p = make_problem(seed, in_pairs);
        decode_chunk_kernel *kernel = in_pairs ? kernel_of_bf16(&table, p->chunk.type) : table.decode_chunk;
        float *one = run(p, kernel);
        p->chunk.near = !p->chunk.near, p->chunk.far = !p->chunk.near;
        float *other = run(p, kernel);
        if (memcmp(one, other, (size_t)(p->o_size + p->sum_size) * sizeof *one))
            fail_msg("seed %llu: far keys have other bits than near ones", (unsigned long long)seed);
        free(one);
        free(other);
        destroy_problem(p);
    }
}

decode_chunk_kernel decode_pairs_scalar, decode_bytes_scalar;

/* Their twins are in no table: the scalar level makes rows fp32. Where the two round a weight to neighbouring numbers,
 * of bf16 or of sixteen bits, O differs by a part of that weight, or of the largest. */
static void products_of_bf16_agree_with_their_twins(void **state)
{
    (void)state;
    kernel_table table;
    kernels_fill(&table, cpu_detect()->found);
    if (!table.decode_pairs) return;
    const kernel_table twins = {.decode_pairs = decode_pairs_scalar, .decode_bytes = decode_bytes_scalar};
    for (uint64_t seed = 1000; seed < 1400; seed++) {
        problem *p = make_problem(seed, true);
        const attn_dtype type = p->chunk.type;
        float *want = run(p, kernel_of_bf16(&twins, type)), *got = run(p, kernel_of_bf16(&table, type));
        compare(p, got, want, type == ATTN_DTYPE_INT8 ? 0x1p-14f : 0x1p-8f);
        free(want);
        free(got);
        destroy_problem(p);
    }
}

static void scale_numbers(float *x, int64_t count, float by)
{
    for (int64_t n = 0; n < count; n++) x[n] *= by;
}

/* Integers stand for numbers of nearly any magnitude: powers of two leave the bits of scores as they are, and scale O;
 * the smallest vanish. */
static void bytes_take_numbers_of_any_magnitude(void **state)
{
    (void)state;
    kernel_table table;
    kernels_fill(&table, cpu_detect()->found);
    if (!table.decode_bytes) return;
    for (uint64_t seed = 1401; seed < 1501; seed += 2) {
        problem *p = make_problem(seed, true);
        const decode_chunk *x = &p->chunk;
        float *want = run(p, table.decode_bytes);
        for (int64_t n = 0; n < x->heads * x->q_head; n++)
            p->q_bf16[n] = bf16_of_float(0x1p-90f * bf16_to_float(p->q_bf16[n]));
        scale_numbers(p->k_scales, x->keys, 0x1p90f);
        scale_numbers(p->v_scales, x->keys, 0x1p-80f);
        float *got = run(p, table.decode_bytes);
        for (int64_t n = 0; n < p->o_size; n++)
            if (!is_guard(&want[n])) want[n] *= 0x1p-80f;
        compare(p, got, want, 0);
        scale_numbers(p->v_scales, x->keys, 0x1p-60f);
        float *vanished = run(p, table.decode_bytes);
        for (int64_t n = 0; n < p->o_size; n++)
            if (!is_guard(&want[n])) assert_true(isnan(want[n]) ? isnan(vanished[n]) : fabsf(vanished[n]) < 0x1p-100f);
        free(want);
        free(got);
        free(vanished);
        destroy_problem(p);
    }
}

/* One number that is none makes its row NaN, and no other. */
static void bytes_keep_nan_in_its_row(void **state)
{
    (void)state;
    kernel_table table;
    kernels_fill(&table, cpu_detect()->found);
    if (!table.decode_bytes) return;
    for (uint64_t seed = 1501; seed < 1601; seed += 2) {
        problem *p = make_problem(seed, true);
        const decode_chunk *x = &p->chunk;
        if (p->modification || !x->D) {
            destroy_problem(p);
            continue;
        }
        const int64_t head = whole(20, 0, x->heads - 1), row = whole(21, 0, x->queries - 1);
        float *want = run(p, table.decode_bytes);
        p->q_bf16[head * x->q_head + row * x->q_row + whole(22, 0, x->D - 1)] = seed % 4 == 1 ? 0x7fc0 : 0x7f80;
        float *got = run(p, table.decode_bytes);
        for (int64_t c = 0; c < x->DV; c++) {
            const int64_t at = GAP + head * x->o_head + row * x->o_row + c;
            assert_true(isnan(got[at]));
            got[at] = want[at];
        }
        const int64_t largest = p->o_size + GAP + head * x->sum_head + row * x->sum_row, sum = largest + 1;
        assert_true(isnan(got[sum]));
        got[largest] = want[largest], got[sum] = want[sum];
        compare(p, got, want, 0);
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
        cmocka_unit_test(products_of_bf16_agree_with_their_twins),
        cmocka_unit_test(bytes_take_numbers_of_any_magnitude),
        cmocka_unit_test(bytes_keep_nan_in_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
