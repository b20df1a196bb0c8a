#include "rotary_formula.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/number_format.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

int64_t drawn_whole(uint64_t seed, uint64_t n, int64_t low, int64_t high)
{
    return low + random_philox(seed, n, 70).word[0] % (high - low + 1);
}

float *drawn_rows(uint64_t seed, uint64_t stream, int64_t count)
{
    float *x = malloc((size_t)count * sizeof *x + 1);
    for (int64_t n = 0; n < count; n++) x[n] = 2 * random_unit(random_philox(seed, (uint64_t)n, stream).word[0]) - 1;
    return x;
}

uint16_t *narrowed_rows(attn_dtype type, float *x, int64_t count)
{
    uint16_t *low = malloc((size_t)count * sizeof *low + 1);
    for (int64_t n = 0; n < count; n++) {
        low[n] = type == ATTN_DTYPE_BF16 ? bf16_of_float(x[n]) : fp16_of_float(x[n]);
        x[n] = type == ATTN_DTYPE_BF16 ? bf16_to_float(low[n]) : fp16_to_float(low[n]);
    }
    return low;
}

double rotary_turned(attn_rotary_kind kind, int64_t R, int64_t p, const float *x, int64_t d)
{
    if (d >= R) return x[d];
    bool halves = kind == ATTN_ROTARY_HALVES;
    int64_t n = halves ? d % (R / 2) : d / 2, first = halves ? n : 2 * n, second = halves ? n + R / 2 : 2 * n + 1;
    double a = (double)p * pow(10000.0, -2.0 * (double)n / (double)R);
    return d == first ? x[first] * cos(a) - x[second] * sin(a) : x[first] * sin(a) + x[second] * cos(a);
}

void expect_turned(uint64_t seed, const char *what, double got, double want)
{
    if (!(fabs(got - want) <= 3e-7))
        fail_msg("seed %llu: %s %.9g, expected %.9g", (unsigned long long)seed, what, got, want);
}

rotary_table rotary_table_create(attn_rotary_kind kind, int64_t R)
{
    rotary_table t = {.cosines = malloc((size_t)(ROTARY_POSITIONS * R) * sizeof(float) + 1),
                      .sines = malloc((size_t)(ROTARY_POSITIONS * R) * sizeof(float) + 1)};
    if (attn_rotary_fill(t.cosines, t.sines, ROTARY_POSITIONS, R, 10000.0)) fail_msg("%s", attn_error());
    attn_rotary_init(&t.rotary, sizeof t.rotary, kind, ROTARY_POSITIONS, R, t.cosines, t.sines);
    return t;
}

void rotary_table_destroy(rotary_table *t)
{
    free(t->cosines);
    free(t->sines);
}

void expect_rotated(const attn_desc *d, const int64_t *lengths, const attn_rotary *rotary, const attn_output *y)
{
    if (attn_rotate(d, lengths, rotary, y)) fail_msg("%s", attn_error());
}
