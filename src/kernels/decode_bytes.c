/* Decoding bf16 queries against rows of bytes by products of bytes, summed as integers: nothing is converted but the
 * queries, once a chunk, and the weights, to integers of sixteen bits (simd_bytes.h). Of a query they hold every number
 * above 2^-7 of its largest exactly, and others to 2^-15 of that; of a row of weights, with their keys' scales, each to
 * 2^-14.9 of its largest, but of rows all below 2^-100 to 2^-114, and many, however small, nearly to their sum: what
 * rounding takes from one weight another gets. Sums are exact, in whatever order. D is at most BYTES_MOST_D, DV at most
 * BYTES_MOST_DV, so that they fit 31 bits.
 *
 * scratch: a row of scores, then in its place [512 high bytes of weights | 512 low ones | sums of its columns]. */
#include "kernels/decode_rows.h"
#include "kernels/simd_bytes.h"

#include "base/number_format.h"

#include <math.h>
#include <string.h>

#define SMALLEST 0x1p-100f /* of a row's largest: of smaller ones the factor would overflow */
#define BLOCK_KEYS 32      /* whose values all rows use while they are near the core */
#define CARRIES 64         /* that rounding is passed on to: few enough chains of additions would be waited for */

extern decode_chunk_kernel SIMD_NAMED(decode_bytes);

/* The largest magnitude of so many numbers, a multiple of the lanes; NaN if any is not finite. */
static float largest_of(const float *x, int64_t count)
{
    vec most = vec_zero(), finite = vec_zero();
    for (int64_t n = 0; n < count; n += SIMD_LANES) {
        most = vec_max(vec_abs(vec_load(x + n)), most);
        finite = vec_fma(vec_load(x + n), vec_zero(), finite);
    }
    return vec_largest(most) + vec_sum(finite);
}

/* What a row's numbers are multiplied by to be integers: of queries a power of two, that their own bits stay. */
static float factor_of(float largest, bool exact)
{
    int exponent;
    if (!exact) return (BYTES_MOST - 1) / largest; /* which may get half a one more */
    const float part = frexpf(largest, &exponent); /* 1/2 .. 1 */
    return ldexpf(1, (part * 0x1p15f > BYTES_MOST ? 14 : 15) - exponent);
}

/* What each of the CARRIES begins with: evenly between -1/2 and 1/2, the first so many of them too, by steps of the
 * golden section, so that equal weights, all of less than a half, do not become 0 together. */
static void begin_carries(float *carries)
{
    for (int n = 0; n < CARRIES; n++) carries[n] = ((float)(n * 39 % CARRIES) + 0.5f) / CARRIES - 0.5f;
}

/* Numbers as integers; what rounding takes away is passed on. A number of 0 stays so. */
INLINE vec round_on(vec x, float *carry)
{
    const vec sum = vec_add(x, vec_load(carry)), whole = vec_round(sum);
    vec_store(carry, vec_sub(sum, whole));
    return whole;
}

/* A row's numbers, of which there is room for a multiple of BYTES_SOME, as high and low bytes, BYTES_SOME of them from
 * one step to the next, and their sum. Returns what 1 stands for: NaN where a number is not finite. */
INLINE float split_row(float *x, int64_t count, const bool exact, int8_t *high, int8_t *low, int64_t step, int32_t *sum)
{
    const int64_t room = (count + BYTES_SOME - 1) / BYTES_SOME * BYTES_SOME;
    for (int64_t n = count; n < room; n++) x[n] = 0;
    const float largest = largest_of(x, room);
    const float factor = isnan(largest) ? 0 : factor_of(largest < SMALLEST ? SMALLEST : largest, exact);
    float carries[CARRIES];
    vec sums = vec_zero(); /* integers below 2^24: exact */
    if (!exact) begin_carries(carries);
    for (int64_t n = 0; n < room; n += SIMD_LANES) {
        const vec number = vec_mul(vec_load(x + n), vec_set1(factor));
        vec whole = exact ? vec_round(number) : round_on(number, carries + n % CARRIES);
        whole = vec_select(vec_equal(whole, whole), whole, vec_zero()); /* what is no number is told by 1's */
        const int64_t at = n / BYTES_SOME * step + n % BYTES_SOME;
        bytes_split(whole, high + at, low + at);
        sums = vec_add(sums, whole);
    }
    *sum = (int32_t)vec_sum(sums);
    return factor > 0 ? 1 / factor : NAN;
}

/* Four rows of queries, fewer behind the last, whose numbers are 0. */
typedef struct split_queries {
    query_bytes chunks[BYTES_MOST_D / BYTES_CHUNK];
    int32_t sums[BYTES_ROWS];
    float factors[BYTES_ROWS];
} split_queries;

static void split(const decode_chunk *x, int64_t m, int rows, split_queries *made)
{
    float numbers[BYTES_MOST_D];
    if (rows < BYTES_ROWS) memset(made, 0, sizeof *made);
    for (int r = 0; r < rows; r++) {
        const uint16_t *q = x->q_bf16 + (m + r) / x->queries * x->q_head + (m + r) % x->queries * x->q_row;
        for (int64_t d = 0; d < x->D; d++) numbers[d] = bf16_to_float(q[d]);
        made->factors[r] = x->scale * split_row(numbers, x->D, true, made->chunks[0][0][r], made->chunks[0][1][r],
                                                sizeof(query_bytes), &made->sums[r]);
    }
}

/* Four rows' scores, behind the last key those of rows that stand there, which nobody looks at. */
INLINE void score_keys(const decode_chunk *x, const split_queries *q, const int unrolled, int rows, const bool ahead,
                       float *scores)
{
    for (int64_t n = 0; n < x->keys; n += BYTES_KEYS)
        bytes_scores(q->chunks, q->sums, q->factors, x->k + n,
                     ahead ? k_ahead(x, n, rows_between(ATTN_DTYPE_INT8, x->far, x->D)) : NULL, unrolled, x->D, rows,
                     scores + n, DECODE_CHUNK);
}

/* Heads of the usual size are unrolled. */
INLINE void score_group(const decode_chunk *x, int64_t m, int rows, const bool ahead, float *scores)
{
    split_queries q;
    split(x, m, rows, &q);
    if (x->D == 128)
        score_keys(x, &q, 128, rows, ahead, scores + m * DECODE_CHUNK);
    else
        score_keys(x, &q, 0, rows, ahead, scores + m * DECODE_CHUNK);
}

/* The first rows ask for keys to come, the others find them near. */
DECODE_STEP score_rows(const decode_chunk *x, float *scores)
{
    const int64_t all = x->heads * x->queries;
    for (int64_t m = 0; m < all; m += BYTES_ROWS) {
        const int rows = all - m < BYTES_ROWS ? (int)(all - m) : BYTES_ROWS;
        if (m == 0 && !x->near)
            score_group(x, m, rows, true, scores);
        else
            score_group(x, m, rows, false, scores);
    }
}

/* Weights that a mask hides are 0, whatever scale they were multiplied by. */
static void hide_weights(const decode_chunk *x, int64_t m, float *weights)
{
    if (!x->modification || !x->v_scales) return;
    const float *modification = x->modification + m * DECODE_CHUNK;
    for (int64_t n = 0; n < x->keys; n++) weights[n] = modification[n] == -INFINITY ? 0 : weights[n];
}

/* Row m of weights, where it stands, to bytes, and behind them sums of 0; their own sum. Returns what 1 stands for. */
static float split_weights(const decode_chunk *x, int64_t m, float *weights, int32_t *sum)
{
    int8_t high[DECODE_CHUNK], low[DECODE_CHUNK];
    const size_t bytes = (size_t)(x->keys + BYTES_SOME - 1) / BYTES_SOME * BYTES_SOME;
    hide_weights(x, m, weights);
    const float one = split_row(weights, x->keys, false, high, low, BYTES_SOME, sum);
    memcpy(weights, high, bytes);
    memcpy((char *)weights + DECODE_CHUNK, low, bytes);
    memset((char *)weights + 2 * DECODE_CHUNK, 0, BYTES_MOST_DV * sizeof(int32_t));
    return one;
}

static int32_t *sums_of(float *weights)
{
    return (int32_t *)(weights + 2 * DECODE_CHUNK / sizeof(float));
}

/* So many rows' sums get their products with so many values, a multiple of BYTES_KEYS. */
INLINE void add_values(const decode_chunk *x, const void *const *v, const int rows, int64_t keys, bool ahead,
                       float *weights, int64_t first)
{
    const weight_bytes w = {(const int8_t *)weights + first, DECODE_CHUNK * sizeof *weights, DECODE_CHUNK};
    int32_t *sums[BYTES_ROWS];
    for (int r = 0; r < rows; r++) sums[r] = sums_of(weights + r * DECODE_CHUNK);
    int64_t c = 0;
    for (; c + BYTES_COLUMNS <= x->DV; c += BYTES_COLUMNS)
        bytes_add(v, ahead ? v + rows_between(ATTN_DTYPE_INT8, x->far, x->DV) : NULL, c, BYTES_COLUMNS, rows, keys, w,
                  sums);
    if (c < x->DV) bytes_add(v, NULL, c, (int)(x->DV - c), rows, keys, w, sums);
}

/* Rows from m on; the first ask for values to come. Behind the last keys of a block that is no multiple of BYTES_KEYS
 * the last one stands once more, its weights 0. */
INLINE void add_block(const decode_chunk *x, const int rows, int64_t m, int64_t first, int64_t keys, float *weights)
{
    const int64_t whole = keys / BYTES_KEYS * BYTES_KEYS;
    const void *rest[BYTES_KEYS];
    weights += m * DECODE_CHUNK;
    if (m == 0 && !x->near)
        add_values(x, x->v + first, rows, whole, true, weights, first);
    else
        add_values(x, x->v + first, rows, whole, false, weights, first);
    if (whole == keys) return;
    for (int64_t n = 0; n < BYTES_KEYS; n++) rest[n] = x->v[first + (whole + n < keys ? whole + n : keys - 1)];
    add_values(x, rest, rows, BYTES_KEYS, false, weights, first + whole);
}

DECODE_STEP add_rows(const decode_chunk *x, float *weights)
{
    const int64_t rows = x->heads * x->queries, most = x->near && rows <= BYTES_ROWS ? x->keys : BLOCK_KEYS;
    for (int64_t n = 0; n < x->keys; n += most) {
        const int64_t keys = x->keys - n < most ? x->keys - n : most;
        int64_t m = 0;
        for (; m + 4 <= rows; m += 4) add_block(x, 4, m, n, keys, weights);
        for (; m < rows; m++) add_block(x, 1, m, n, keys, weights);
    }
}

void SIMD_NAMED(decode_bytes)(const decode_chunk *x)
{
    float *weights = x->scratch, ones[DECODE_ROWS];
    int32_t sums[DECODE_ROWS];
    score_rows(x, weights);
    for (int64_t m = 0; m < x->heads * x->queries; m++) {
        const float factor = begin_row(x, m, weights + m * DECODE_CHUNK);
        ones[m] = factor * split_weights(x, m, weights + m * DECODE_CHUNK, &sums[m]);
    }
    add_rows(x, weights);
    for (int64_t m = 0; m < x->heads * x->queries; m++) {
        float *o = row_of(x->o, x->queries, x->o_head, x->o_row, m);
        const int32_t *sum = sums_of(weights + m * DECODE_CHUNK);
        for (int64_t c = 0; c < x->DV; c += BYTES_COLUMNS)
            bytes_finish(sum + c, sums[m], ones[m], (int)(x->DV - c < BYTES_COLUMNS ? x->DV - c : BYTES_COLUMNS),
                         o + c);
    }
}
