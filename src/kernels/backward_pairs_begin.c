/* What backward on bf16 by products of pairs prepares once per block of queries; backward_tile.h gives the contract. */
#include "kernels/backward_tile.h"
#include "kernels/simd_pairs.h"

extern backward_begin_kernel SIMD_NAMED(backward_pairs_begin);
extern pairs_finite_kernel SIMD_NAMED(pairs_finite);

/* out[(c / 2) * BACKWARD_QUERIES + m] = the pair at rows[m * row + c], 0 behind the queries and columns to the next
 * whole step. */
static void transpose(const uint16_t *rows, int64_t row, int64_t queries, int64_t columns, float *out)
{
    for (int64_t m = 0; m < backward_whole(queries); m += SIMD_LANES)
        for (int64_t c = 0; c < backward_whole(columns); c += 2 * SIMD_LANES) {
            const int rest = (int)(columns - c < 2 * SIMD_LANES ? columns - c : 2 * SIMD_LANES);
            vec square[SIMD_LANES];
            for (int n = 0; n < SIMD_LANES; n++) {
                const bool there = rest > 0 && m + n < queries;
                square[n] = there ? pairs_floats(pairs_load_n(rows + (m + n) * row + c, rest)) : vec_zero();
            }
            vec_transpose(square);
            for (int n = 0; n < SIMD_LANES; n++) vec_store(out + (c / 2 + n) * BACKWARD_QUERIES + m, square[n]);
        }
}

static float dot(const uint16_t *a, const uint16_t *b, int64_t n)
{
    vec sum = vec_zero();
    for (int64_t i = 0; i < n; i += 2 * SIMD_LANES) {
        const int rest = (int)(n - i < 2 * SIMD_LANES ? n - i : 2 * SIMD_LANES);
        sum = pairs_dot(pairs_load_n(a + i, rest), pairs_load_n(b + i, rest), sum);
    }
    return vec_sum(sum);
}

void SIMD_NAMED(backward_pairs_begin)(const backward_tile *t)
{
    transpose(t->q_bf16, t->q_row, t->queries, t->D, t->q_t);
    transpose(t->grad_o_bf16, t->grad_o_row, t->queries, t->DV, t->grad_o_t);
    const int64_t padded = (t->queries + SIMD_LANES - 1) / SIMD_LANES * SIMD_LANES;
    for (int64_t m = 0; m < t->queries; m++)
        backward_begin_query(t, m, dot(t->grad_o_bf16 + m * t->grad_o_row, t->o_bf16 + m * t->o_row, t->DV));
    for (int64_t m = t->queries; m < padded; m++) backward_begin_query(t, m, 0);
}

bool SIMD_NAMED(pairs_finite)(const uint16_t *rows, int64_t row, int64_t count, int64_t columns)
{
    /* 0 times what is not finite is NaN. */
    vec nothing = vec_zero();
    for (int64_t n = 0; n < count; n++)
        for (int64_t c = 0; c < columns; c += 2 * SIMD_LANES) {
            const int rest = (int)(columns - c < 2 * SIMD_LANES ? columns - c : 2 * SIMD_LANES);
            nothing = pairs_dot(pairs_load_n(rows + n * row + c, rest), pairs_set1(0), nothing);
        }
    return vec_sum(nothing) == 0;
}
