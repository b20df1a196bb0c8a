#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "tensor/dense.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

static float *draw(uint64_t seed, int64_t count)
{
    float *x = malloc((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = 2 * random_unit(random_philox(seed, (uint64_t)i, 0).word[0]) - 1;
    return x;
}

typedef struct shape {
    int64_t M, N, K;
    bool transpose_a, transpose_b, bias, accumulate;
} shape;

/* Every element against a sum in double; the error allowed is that of K roundings of the type. */
static void compare(const shape *s, dense_type type, const float *a, const float *b, const float *bias,
                    const float *before, const float *c)
{
    const double allowed = (type == DENSE_BF16 ? 0x1p-8 : 0x1p-22) * sqrt((double)s->K) * 4 + 1e-6;
    for (int64_t i = 0; i < s->M; i++)
        for (int64_t j = 0; j < s->N; j++) {
            double sum = (s->accumulate ? before[i * s->N + j] : 0) + (s->bias ? bias[j] : 0);
            for (int64_t k = 0; k < s->K; k++)
                sum += (double)(s->transpose_a ? a[k * s->M + i] : a[i * s->K + k]) *
                       (s->transpose_b ? b[j * s->K + k] : b[k * s->N + j]);
            if (fabs(c[i * s->N + j] - sum) <= allowed) continue;
            fail_msg("(%d, %d) of %d x %d x %d: %g, expected %g", (int)i, (int)j, (int)s->M, (int)s->N, (int)s->K,
                     c[i * s->N + j], sum);
        }
}

static const shape shapes[] = {
    {1, 1, 1, false, false, false, false},    {5, 7, 3, false, true, true, false},
    {33, 65, 40, true, false, false, true},   {64, 100, 37, true, false, false, false},
    {70, 31, 129, false, true, true, true},   {96, 64, 64, true, true, true, false},
    {3, 4, 0, false, true, true, true},       {1030, 77, 41, false, true, true, true},
    {1025, 33, 70, true, false, true, false},
};

static void products_agree_with_their_definition(void **state)
{
    (void)state;
    const dense_type types[] = {DENSE_FP32, DENSE_BF16};
    for (int t = 0; t < 2; t++) {
        if (dense_supports(types[t]) != ATTN_OK) continue;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const shape *s = &shapes[i];
            float *a = draw(1, s->M * s->K + 1), *b = draw(2, s->K * s->N + 1), *bias = draw(3, s->N);
            float *before = draw(4, s->M * s->N), *c = draw(4, s->M * s->N);
            for (int round = 0; round < 2; round++) { /* compiled, then from the cache */
                for (int64_t k = 0; k < s->M * s->N; k++) c[k] = before[k];
                assert_int_equal(dense_multiply(types[t], 2, s->M, s->N, s->K, a, s->transpose_a, b, s->transpose_b,
                                                s->bias ? bias : NULL, s->accumulate, c),
                                 ATTN_OK);
                compare(s, types[t], a, b, bias, before, c);
            }
            free(a);
            free(b);
            free(bias);
            free(before);
            free(c);
        }
    }
}

static void packed_once(shape s, dense_type type)
{
    float *a = draw(1, s.M * s.K), *b = draw(2, s.K * s.N), *bias = draw(3, s.N), *c = draw(4, s.M * s.N);
    float *before = draw(4, s.M * s.N);
    dense_packed *packed;
    assert_int_equal(dense_pack(&packed, type, 1, s.N, s.K, b, s.transpose_b), ATTN_OK);
    assert_int_equal(dense_multiply_packed(1, s.M, a, packed, bias, s.accumulate, c), ATTN_OK);
    compare(&s, type, a, b, bias, before, c);
    dense_packed_destroy(packed);
    free(a);
    free(b);
    free(bias);
    free(before);
    free(c);
}

static void packed_weights_give_the_same(void **state)
{
    (void)state;
    const dense_type types[] = {DENSE_FP32, DENSE_BF16};
    for (int t = 0; t < 2; t++) {
        if (dense_supports(types[t]) != ATTN_OK) continue;
        for (int64_t M = 1; M <= 200; M += 66)
            for (int how = 0; how < 4; how++) packed_once((shape){M, 77, 41, false, how & 1, true, how & 2}, types[t]);
    }
    dense_packed *packed;
    assert_int_equal(dense_pack(&packed, DENSE_FP32, 1, 0, 4, NULL, true), ATTN_ERROR_ARGUMENT);
    dense_packed_destroy(NULL);
}

/* To the bit, whichever of the two are wanted, and also beyond the rows from which on factors are packed. */
static void gradients_are_the_two_products(dense_type type, int64_t R, int64_t O, int64_t I, bool accumulate)
{
    float *dy = draw(1, R * O), *x = draw(2, R * I), *w = draw(3, O * I);
    for (int wanted = 0; wanted < 4; wanted++) {
        float *dw = draw(4, O * I), *dx = draw(5, R * I), *dw_alone = draw(4, O * I), *dx_alone = draw(5, R * I);
        const dense_gradient of_w = {x, wanted & 1 ? dw : NULL, accumulate},
                             of_x = {w, wanted & 2 ? dx : NULL, accumulate};
        assert_int_equal(dense_gradients(type, 2, R, O, I, dy, &of_w, &of_x), ATTN_OK);
        if (wanted & 1)
            assert_int_equal(dense_multiply(type, 2, O, I, R, dy, true, x, false, NULL, accumulate, dw_alone), ATTN_OK);
        if (wanted & 2)
            assert_int_equal(dense_multiply(type, 2, R, I, O, dy, false, w, false, NULL, accumulate, dx_alone),
                             ATTN_OK);
        if (O * I > 0) assert_memory_equal(dw, dw_alone, (size_t)(O * I) * sizeof(float));
        if (R * I > 0) assert_memory_equal(dx, dx_alone, (size_t)(R * I) * sizeof(float));
        free(dw);
        free(dx);
        free(dw_alone);
        free(dx_alone);
    }
    free(dy);
    free(x);
    free(w);
}

static void gradients_have_the_bits_of_their_products(void **state)
{
    (void)state;
    const int64_t sizes[][3] = {{70, 33, 129}, {1030, 65, 40}, {40, 1056, 31}, {0, 3, 4}, {5, 0, 4}, {5, 3, 0}};
    const dense_type types[] = {DENSE_FP32, DENSE_BF16};
    for (int t = 0; t < 2; t++) {
        if (dense_supports(types[t]) != ATTN_OK) continue;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int accumulate = 0; accumulate < 2; accumulate++)
                gradients_are_the_two_products(types[t], sizes[i][0], sizes[i][1], sizes[i][2], accumulate);
    }
}

static int threads_of_process(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *e; (e = readdir(tasks));) count += e->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* Before the others, which start threads that stay. */
static void one_thread_starts_no_other(void **state)
{
    (void)state;
    enum { N = 512 };
#ifndef _OPENMP
    skip(); /* it is through OpenMP that oneDNN is told */
#endif
    const int before = threads_of_process();
    float *a = draw(1, N * N), *b = draw(2, N * N), *c = draw(3, N * N);
    dense_packed *packed;
    assert_int_equal(dense_pack(&packed, DENSE_FP32, 1, N, N, b, true), ATTN_OK);
    assert_int_equal(dense_multiply_packed(1, N, a, packed, NULL, false, c), ATTN_OK);
    assert_int_equal(dense_multiply(DENSE_FP32, 1, N, N, N, a, true, b, false, NULL, false, c), ATTN_OK);
    assert_int_equal(threads_of_process(), before);
    dense_packed_destroy(packed);
    free(a);
    free(b);
    free(c);
}

/* More shapes than the cache has places. */
static void the_cache_forgets(void **state)
{
    (void)state;
    float *a = draw(1, 2600), *b = draw(2, 4), *c = draw(3, 2600 * 2);
    const float first = a[0] * b[0] + a[1] * b[1];
    for (int64_t M = 1; M <= 1300; M++) {
        assert_int_equal(dense_multiply(DENSE_FP32, 1, M, 2, 2, a, false, b, true, NULL, false, c), ATTN_OK);
        assert_int_equal(dense_multiply(DENSE_FP32, 1, M, 2, 2, a, false, b, false, NULL, true, c), ATTN_OK);
    }
    assert_int_equal(dense_multiply(DENSE_FP32, 1, 1, 2, 2, a, false, b, true, NULL, false, c), ATTN_OK);
    assert_true(fabsf(c[0] - first) < 1e-6f);
    free(a);
    free(b);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_starts_no_other),
        cmocka_unit_test(products_agree_with_their_definition),
        cmocka_unit_test(packed_weights_give_the_same),
        cmocka_unit_test(gradients_have_the_bits_of_their_products),
        cmocka_unit_test(the_cache_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
