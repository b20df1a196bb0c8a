/* What backward prepares once per block of queries; backward_tile.h gives the contract. */
#include "kernels/backward_tile.h"
#include "kernels/simd_parts.h"

extern backward_begin_kernel SIMD_NAMED(backward_begin);
extern rows_finite_kernel SIMD_NAMED(rows_finite);

/* out[c * BACKWARD_QUERIES + m] = rows[m * row + c]; queries up to the next whole vector read as 0. */
static void transpose(const float *rows, int64_t row, int64_t queries, int64_t columns, float *out)
{
    for (int64_t m = 0; m < queries; m += SIMD_LANES)
        for (int64_t c = 0; c < columns; c += SIMD_LANES) {
            int rest = part_at(columns, c);
            vec square[SIMD_LANES];
            for (int n = 0; n < SIMD_LANES; n++)
                square[n] = m + n < queries ? vec_load_n(rows + (m + n) * row + c, rest) : vec_zero();
            vec_transpose(square);
            for (int n = 0; n < rest; n++) vec_store(out + (c + n) * BACKWARD_QUERIES + m, square[n]);
        }
}

static float dot(const float *a, const float *b, int64_t n)
{
    vec sum = vec_zero();
    int64_t i = 0;
    for (; i + SIMD_LANES <= n; i += SIMD_LANES) sum = vec_fma(vec_load(a + i), vec_load(b + i), sum);
    if (i < n) sum = vec_fma(vec_load_n(a + i, (int)(n - i)), vec_load_n(b + i, (int)(n - i)), sum);
    return vec_sum(sum);
}

void SIMD_NAMED(backward_begin)(const backward_tile *t)
{
    if (t->q_t) {
        transpose(t->q, t->q_row, t->queries, t->D, t->q_t);
        transpose(t->grad_o, t->grad_o_row, t->queries, t->DV, t->grad_o_t);
    }
    int64_t padded = (t->queries + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES;
    for (int64_t m = 0; m < t->queries; m++)
        backward_begin_query(t, m, dot(t->grad_o + m * t->grad_o_row, t->o + m * t->o_row, t->DV));
    for (int64_t m = t->queries; m < padded; m++) backward_begin_query(t, m, 0);
}

bool SIMD_NAMED(rows_finite)(const float *rows, int64_t row, int64_t count, int64_t columns)
{
    /* x - x is 0 where x is finite, NaN elsewhere. */
    vec sum = vec_zero();
    for (int64_t n = 0; n < count; n++)
        for (int64_t c = 0; c < columns; c += SIMD_LANES) {
            vec x = vec_load_n(rows + n * row + c, part_at(columns, c));
            sum = vec_add(sum, vec_sub(x, x));
        }
    return vec_sum(sum) == 0;
}
