/* Dropout's kernels: what is kept is what Philox draws, and backward keeps what forward kept, whatever the length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "tensor/row_kernels.h"

#include <string.h>

extern const row_kernels row_kernels_base;
#if defined(__x86_64__)
extern const row_kernels row_kernels_avx2, row_kernels_avx512;
#endif

enum { MOST = 3 * DROPOUT_RUN + 5, GUARD = 8 };

static const uint64_t key = 5, first = 1000003;
static const float p = 0.3f, kept = 1 / (1 - 0.3f);

static float drawn(int64_t i)
{
    return random_unit(random_philox(key, first + (uint64_t)i / 4, 0).word[i % 4]) < p ? 0 : kept;
}

static void check(const row_kernels *k, int64_t n)
{
    static float x[MOST], y[MOST + GUARD], dx[MOST + GUARD], added[MOST + GUARD];
    uint32_t bits[4 * DROPOUT_WORDS + GUARD];
    memset(bits, 0x5a, sizeof bits);
    for (int64_t i = 0; i < MOST; i++) x[i] = (float)(i % 17 + 1);
    for (int64_t i = 0; i < MOST + GUARD; i++) y[i] = dx[i] = added[i] = -7;
    k->dropout(n, key, first, p, x, y, bits);
    k->dropout_back(n, p, bits, x, dx);
    k->dropout_back_add(n, p, bits, x, added);
    for (int64_t i = 0; i < n; i++) {
        assert_true(y[i] == x[i] * drawn(i));
        assert_true(dx[i] == y[i]);
        assert_true(added[i] >= y[i] - 7 - 1e-5f && added[i] <= y[i] - 7 + 1e-5f);
    }
    for (int64_t i = n; i < n + GUARD; i++) assert_true(y[i] == -7 && dx[i] == -7 && added[i] == -7);
    for (int64_t w = dropout_words(n); w < 4 * DROPOUT_WORDS + GUARD; w++) assert_true(bits[w] == 0x5a5a5a5a);
}

static void every_length(void **state)
{
    (void)state;
    const row_kernels *sets[3] = {&row_kernels_base};
    int count = 1;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets[count++] = &row_kernels_avx2;
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        sets[count++] = &row_kernels_avx512;
#endif
    for (int s = 0; s < count; s++)
        for (int64_t n = 0; n <= MOST; n += n < 70 || n % DROPOUT_RUN < 3 || n % DROPOUT_RUN > DROPOUT_RUN - 3 ? 1 : 13)
            check(sets[s], n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
