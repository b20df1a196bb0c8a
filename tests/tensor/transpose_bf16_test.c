#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "tensor/row_kernels.h"

#include <stdlib.h>

extern const row_kernels row_kernels_base;
#if defined(__x86_64__)
extern const row_kernels row_kernels_avx2, row_kernels_avx512;
#endif

enum { GUARD = 0x7777, BESIDE = 3 }; /* elements between two rows, which belong to nobody */

static uint16_t *draw(int64_t count)
{
    uint16_t *x = malloc((size_t)count * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++) x[i] = (uint16_t)random_philox(5, (uint64_t)i, 0).word[0];
    return x;
}

static void check(const row_kernels *k, int64_t rows, int64_t columns)
{
    const int64_t x_stride = columns + BESIDE, y_stride = rows + BESIDE;
    uint16_t *x = draw(rows * x_stride), *y = malloc((size_t)(columns * y_stride) * sizeof *y);
    assert_non_null(y);
    for (int64_t i = 0; i < columns * y_stride; i++) y[i] = GUARD;
    k->transpose_bf16(rows, columns, x, x_stride, y, y_stride);
    for (int64_t c = 0; c < columns; c++)
        for (int64_t r = 0; r < y_stride; r++)
            if (y[c * y_stride + r] != (r < rows ? x[r * x_stride + c] : GUARD))
                fail_msg("%s: %d x %d, column %d, row %d", k->name, (int)rows, (int)columns, (int)c, (int)r);
    free(x);
    free(y);
}

static void columns_become_rows(void **state)
{
    (void)state;
    const row_kernels *sets[3] = {&row_kernels_base};
    const int64_t sizes[] = {1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 75};
    const int count = sizeof sizes / sizeof *sizes;
    int set_count = 1;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets[set_count++] = &row_kernels_avx2;
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        sets[set_count++] = &row_kernels_avx512;
#endif
    for (int s = 0; s < set_count; s++)
        for (int i = 0; i < count * count; i++) check(sets[s], sizes[i / count], sizes[i % count]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(columns_become_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
